"""Files and directories on disk: either complete and verified, or refused; one writer at a time."""
