"""One module (or package) a protocol, and nothing sideways. `ls` of this room is the feature list."""
