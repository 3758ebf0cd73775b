"""Support: files, tensors, compilation, seeds, processes; knows nothing of speech."""
