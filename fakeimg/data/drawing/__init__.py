"""Drawing in linear light: faces, their surroundings, and pictures without a face."""
