"""A window to try the desktop environment on: `python -m pokegen.game.envs.sample_window`, on the display of $DISPLAY.

White, 256×256 pixels, titled "pokegen window", with a blue square of 32 pixels in its middle. Arrow keys move the
square by 32 pixels, as far as the border; a click leaves a red mark of 16 pixels; Escape closes the window.
"""

TITLE = "pokegen window"
SIZE, SQUARE, MARK = 256, 32, 16  # pixels
WHITE, BLUE, RED = 0xFFFFFF, 0x2020C0, 0xC02020
MOVES = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, -1), "Down": (0, 1)}


def main() -> None:
    from Xlib import XK, X, display

    server = display.Display()
    screen = server.screen()
    window = screen.root.create_window(
        0, 0, SIZE, SIZE, 0, screen.root_depth, background_pixel=WHITE,
        event_mask=X.ExposureMask | X.KeyPressMask | X.ButtonPressMask,
    )  # fmt: skip
    window.set_wm_name(TITLE)
    window.map()
    brush = window.create_gc()
    keys = {server.keysym_to_keycode(XK.string_to_keysym(name)): name for name in (*MOVES, "Escape")}
    x = y = (SIZE - SQUARE) // 2
    marks: list[tuple[int, int]] = []
    while True:
        event = server.next_event()
        if event.type == X.KeyPress:
            name = keys.get(event.detail)
            if name == "Escape":
                return
            right, down = MOVES.get(name or "", (0, 0))
            x = min(max(x + right * SQUARE, 0), SIZE - SQUARE)
            y = min(max(y + down * SQUARE, 0), SIZE - SQUARE)
        elif event.type == X.ButtonPress:
            marks.append((event.event_x - MARK // 2, event.event_y - MARK // 2))
        window.clear_area()
        for colour, size, corners in ((BLUE, SQUARE, [(x, y)]), (RED, MARK, marks)):
            brush.change(foreground=colour)
            for left, top in corners:
                window.fill_rectangle(brush, left, top, size, size)
        server.flush()


if __name__ == "__main__":
    main()
