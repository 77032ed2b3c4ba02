"""The parts of a model: head, neck, backbone and its blocks; patterns written for them."""
