"""The picture that people see instead of a camera's: one that just stood still would look alive."""


def draw(title: str, detail: str, size: tuple[int, int]) -> bytes:
    """A JPEG of `size` pixels with two lines of text. Blocks: for the pool."""
    import cv2
    import numpy as np
    import simplejpeg

    width, height = size
    image = np.full((height, width, 3), 28, np.uint8)
    for row, text in ((0.46, title), (0.60, detail)):
        scale = min(width / 640, height / 360)
        (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        scale = min(scale, scale * 0.94 * width / wide)
        (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        place = (int((width - wide) / 2), int(height * row))
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (200, 200, 200), 1, cv2.LINE_AA)
    return bytes(simplejpeg.encode_jpeg(image, 70, "RGB", "420"))
