"""What a training does otherwise on a GPU: how images and noise get there, in which precision, by recorded steps."""
