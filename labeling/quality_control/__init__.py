"""Quality control of readers: control items and repeats that the queue hands out, and what they say."""
