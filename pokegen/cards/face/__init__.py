"""What a card's face is made of: colours (`theme`), type icons (`icons`), pixel-art scenes (`scenes`, on a `canvas`),
the creature on its scene (`sprite`), the frame (`frame`), and text that keeps to its box (`page`)."""
