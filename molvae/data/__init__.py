"""Read files of molecules, prepare a corpus, and hand out batches."""
