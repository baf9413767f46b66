"""Turn molecular text into token ids and back; this room knows text, no chemistry."""
