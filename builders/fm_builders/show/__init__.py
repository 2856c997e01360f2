"""A clip with all that is known of it, to be looked at: a video with everything drawn, or a page that plays it."""
