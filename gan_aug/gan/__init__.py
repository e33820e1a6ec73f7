"""The class-conditional DCGAN: networks, losses, training, checkpoints. Imports only torch, numpy and safetensors."""
