"""Vector drawing of scene descriptions with cairo: skies, grounds, objects, shapes and the styles they come in."""
