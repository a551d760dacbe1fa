"""Ready studies: a space, a cost model and objectives, one file each."""
