"""The class-conditional DCGAN; imports torch, numpy and safetensors alone."""
