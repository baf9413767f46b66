"""Search methods: how the next candidates are found."""
