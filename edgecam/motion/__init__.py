"""Motion: from pictures to events. Small luma in, looks out of a detector, events out of a gate."""
