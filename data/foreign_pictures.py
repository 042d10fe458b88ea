"""The foreign frames of the sample: twenty pictures, each from its own generator, unlike each other and unlike the scenes.

Each generator takes a seeded ``numpy.random.Generator`` and returns a (240, 320, 3) uint8 RGB picture.
"""

import cv2
import numpy as np
from matplotlib import cbook, colormaps
from sklearn.datasets import load_digits

WIDTH, HEIGHT = 320, 240  # px
# Row and column of every pixel.
Y, X = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma_x: float, sigma_y: float) -> np.ndarray:
    """Gaussian-blurred white noise, (H, W) float32, scaled to 0 to 1; sigmas in px."""
    noise = rng.standard_normal(shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REFLECT)
    return (noise - noise.min()) / (noise.max() - noise.min())


def coloured(values: np.ndarray, name: str) -> np.ndarray:
    """Map (H, W) values, 0 to 1, to colours of a matplotlib colour map: (H, W, 3) uint8."""
    return (colormaps[name](np.clip(values, 0, 1))[..., :3] * 255).astype(np.uint8)


def canvas(*colour: int) -> np.ndarray:
    """A picture of one RGB colour."""
    return np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def random_colour(rng: np.random.Generator, low: int = 0, high: int = 256) -> tuple[int, int, int]:
    """A random RGB colour with every channel from ``low`` to below ``high``."""
    return tuple(int(value) for value in rng.integers(low, high, 3))


def checkerboard(rng: np.random.Generator) -> np.ndarray:
    """A checkerboard in perspective."""
    corners = np.float32([[90, 20], [250, 45], [310, 230], [5, 205]])
    warp = cv2.getPerspectiveTransform(np.float32([[0, 0], [8, 0], [8, 8], [0, 8]]), corners)
    u, v, w = np.einsum("ij,jhw->ihw", np.linalg.inv(warp), np.stack([X, Y, np.ones_like(X)]))
    u, v = u / w, v / w
    board = np.where((np.floor(u) + np.floor(v)) % 2 == 0, 245, 25)
    inside = (u > 0) & (u < 8) & (v > 0) & (v < 8)
    return np.where(inside[..., None], board[..., None], (150, 70, 90)).astype(np.uint8)


def rings(rng: np.random.Generator) -> np.ndarray:
    """A pattern of interfering rings around two centres."""
    one, two = np.hypot(X - 110, Y - 90), np.hypot(X - 230, Y - 160)
    return coloured(0.5 + 0.25 * (np.sin(one / 4) + np.sin(two / 5)), "PuOr")


def cells(rng: np.random.Generator) -> np.ndarray:
    """A Voronoi diagram in random colours."""
    seeds = rng.uniform((0, 0), (WIDTH, HEIGHT), (70, 2))
    distance = np.hypot(X[..., None] - seeds[:, 0], Y[..., None] - seeds[:, 1])
    nearest = np.sort(distance, axis=-1)
    picture = rng.integers(70, 256, (70, 3))[distance.argmin(-1)].astype(np.uint8)
    picture[nearest[..., 1] - nearest[..., 0] < 3] = 20
    return picture


def clouds(rng: np.random.Generator) -> np.ndarray:
    """A sky of clouds from six octaves of noise."""
    octaves = sum(smooth_noise(rng, (HEIGHT, WIDTH), 64 / 2**k, 64 / 2**k) / 2**k for k in range(6)) / 2
    return coloured(octaves * 1.6 - 0.35, "magma")


def arcs(rng: np.random.Generator) -> np.ndarray:
    """Truchet tiles: quarter circles in random orientation."""
    picture = canvas(238, 232, 213)
    for y in range(0, HEIGHT, 40):
        for x in range(0, WIDTH, 40):
            corners = ((x, y), (x + 40, y + 40)) if rng.random() < 0.5 else ((x + 40, y), (x, y + 40))
            tile = picture[y : y + 40, x : x + 40]
            for cx, cy in corners:
                cv2.circle(tile, (cx - x, cy - y), 20, (20, 110, 120), 9, cv2.LINE_AA)
    return picture


def mandelbrot(rng: np.random.Generator) -> np.ndarray:
    """A detail of the Mandelbrot set."""
    start = (X / WIDTH - 0.5) * 0.03 - 0.745 + 1j * ((Y / WIDTH - 0.375) * 0.03 + 0.11)
    z, steps = np.zeros_like(start), np.zeros(start.shape)
    for _ in range(120):
        alive = np.abs(z) < 4
        z[alive] = z[alive] ** 2 + start[alive]
        steps += alive
    return coloured((steps / 120) ** 0.5, "twilight_shifted")


def written_page(rng: np.random.Generator) -> np.ndarray:
    """A page of invented letters, drawn as curves because fonts differ between versions of OpenCV."""
    picture = canvas(250, 249, 244)
    letters = rng.uniform((0, -8), (6, 0), (20, 4, 2))
    for y in range(20, HEIGHT, 17):
        x = 12
        while x < WIDTH - 16:
            if rng.random() < 0.18:  # leave a space between words
                x += 6
            corners = letters[rng.integers(20)] + (x, y)
            cv2.polylines(picture, [np.int32(corners * 16)], False, (25, 25, 60), 1, cv2.LINE_AA, 4)
            x += 8
    return picture


def bar_chart(rng: np.random.Generator) -> np.ndarray:
    """A bar chart without labels."""
    picture = canvas(226, 214, 236)
    for y in range(30, 221, 38):
        cv2.line(picture, (30, y), (305, y), (180, 170, 190), 1)
    for k, height in enumerate(rng.integers(25, 190, 11)):
        colour = (35, 90 + 12 * k, 200 - 14 * k)
        cv2.rectangle(picture, (36 + 24 * k, 220 - int(height)), (52 + 24 * k, 220), colour, -1)
    cv2.polylines(picture, [np.int32([[30, 20], [30, 220], [305, 220]])], False, (0, 0, 0), 2)
    return picture


def stars(rng: np.random.Generator) -> np.ndarray:
    """A sky full of stars."""
    picture = coloured(smooth_noise(rng, (HEIGHT, WIDTH), 40, 25) * 0.35, "cividis") // 2
    for x, y, size in zip(rng.integers(0, WIDTH, 350), rng.integers(0, HEIGHT, 350), rng.pareto(2.5, 350), strict=True):
        cv2.circle(picture, (int(x), int(y)), min(3, int(size)), random_colour(rng, 170), -1, cv2.LINE_AA)
    return picture


def bricks(rng: np.random.Generator) -> np.ndarray:
    """A brick wall."""
    picture = canvas(196, 190, 180)
    for row in range(12):
        for column in range(-1, 8):
            x, y = column * 48 + 24 * (row % 2), row * 20
            colour = np.array((150, 62, 48)) + rng.integers(-28, 28)
            cv2.rectangle(picture, (x + 2, y + 2), (x + 45, y + 17), tuple(int(c) for c in colour), -1)
    return np.clip(picture + rng.normal(0, 12, picture.shape[:2])[..., None], 0, 255).astype(np.uint8)


def sunset_ridges(rng: np.random.Generator) -> np.ndarray:
    """A view of mountain ridges before a setting sun."""
    picture = coloured(0.95 - Y / HEIGHT * 0.55, "plasma")
    cv2.circle(picture, (225, 95), 24, (255, 244, 190), -1, cv2.LINE_AA)
    for k in range(5):
        ridge = 95 + 28 * k - 60 * (smooth_noise(rng, (1, WIDTH), 18 - 2 * k, 1)[0] - 0.5)
        picture[ridge < Y] = (95 - 18 * k, 45 - 8 * k, 100 - 14 * k)
    return picture


def night_city(rng: np.random.Generator) -> np.ndarray:
    """A city skyline at night with lit windows."""
    picture = coloured(0.12 + 0.25 * Y / HEIGHT, "inferno")
    x = 0
    while x < WIDTH:
        width, top = int(rng.integers(22, 46)), int(rng.integers(35, 160))
        cv2.rectangle(picture, (x, top), (x + width, HEIGHT), (14, 18, 34), -1)
        for wy in range(top + 6, HEIGHT, 11):
            for wx in range(x + 4, x + width - 6, 8):
                if rng.random() < 0.55:
                    cv2.rectangle(picture, (wx, wy), (wx + 3, wy + 5), (255, int(rng.integers(170, 240)), 110), -1)
        x += width + 2
    return picture


def honeycomb(rng: np.random.Generator) -> np.ndarray:
    """A honeycomb of hexagonal cells."""
    picture = canvas(90, 50, 5)
    angles = np.deg2rad(np.arange(30, 390, 60))
    for row in range(-1, 10):
        for column in range(-1, 11):
            centre = np.array((column * 34 + 17 * (row % 2), row * 29.5))
            corners = centre + 17 * np.stack([np.cos(angles), np.sin(angles)], 1)
            colour = (int(rng.integers(215, 256)), int(rng.integers(150, 200)), int(rng.integers(10, 60)))
            cv2.fillConvexPoly(picture, np.int32(corners * 16), colour, cv2.LINE_AA, 4)
    return picture


def spirograph(rng: np.random.Generator) -> np.ndarray:
    """Three spirograph curves."""
    picture, t = canvas(12, 28, 60), np.linspace(0, 14 * np.pi, 4000)
    for reach, colour in ((60, (250, 120, 150)), (35, (120, 230, 240)), (15, (245, 220, 110))):
        x = 160 + 62 * np.cos(t) + reach * np.cos(t * 10 / 7)
        y = 120 + 62 * np.sin(t) - reach * np.sin(t * 10 / 7)
        curve = np.stack([x, y], 1)
        cv2.polylines(picture, [np.int32(curve * 16)], False, colour, 1, cv2.LINE_AA, 4)
    return picture


def bubbles(rng: np.random.Generator) -> np.ndarray:
    """Translucent bubbles of random colours."""
    picture = canvas(250, 235, 240)
    for _ in range(60):
        centre, radius = (int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT))), int(rng.integers(8, 34))
        layer = cv2.circle(picture.copy(), centre, radius, random_colour(rng, 90), -1, cv2.LINE_AA)
        picture = cv2.addWeighted(picture, 0.35, layer, 0.65, 0)
    return picture


def digits_sheet(rng: np.random.Generator) -> np.ndarray:
    """A sheet of 48 handwritten digits of scikit-learn."""
    images = np.pad(load_digits().images[rng.permutation(1797)[:48]], ((0, 0), (1, 1), (1, 1)))
    sheet = images.reshape(6, 8, 10, 10).transpose(0, 2, 1, 3).reshape(60, 80) * (255 / 16)
    grey = cv2.resize(sheet.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    return np.repeat(255 - grey.astype(np.uint8)[..., None], 3, 2)


def relief_map(rng: np.random.Generator) -> np.ndarray:
    """A shaded relief map of the elevation model of matplotlib."""
    height = cbook.get_sample_data("jacksboro_fault_dem.npz")["elevation"].astype(np.float32)
    height = cv2.resize(height, (WIDTH, HEIGHT))
    slope_y, slope_x = np.gradient(height)
    shade = np.clip(0.75 + (slope_x - slope_y) / 50, 0.25, 1.2)[..., None]
    level = (height - height.min()) / (height.max() - height.min())
    return np.clip(coloured(level * 0.75 + 0.25, "gist_earth") * shade, 0, 255).astype(np.uint8)


def maze(rng: np.random.Generator) -> np.ndarray:
    """A maze carved by a random depth-first walk."""
    rows, columns = 15, 20
    picture, seen, path = canvas(30, 60, 45), {(0, 0)}, [(0, 0)]
    while path:
        y, x = path[-1]
        steps = [(y + dy, x + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
        steps = [s for s in steps if 0 <= s[0] < rows and 0 <= s[1] < columns and s not in seen]
        if not steps:
            path.pop()
            continue
        step = steps[rng.integers(len(steps))]
        cv2.line(picture, (x * 16 + 8, y * 16 + 8), (step[1] * 16 + 8, step[0] * 16 + 8), (190, 235, 180), 8)
        seen.add(step)
        path.append(step)
    return picture


def tartan(rng: np.random.Generator) -> np.ndarray:
    """A tartan cloth woven of random bands."""

    def bands(length: int) -> np.ndarray:
        return np.repeat(rng.choice([0.1, 0.35, 0.6, 1.0], 60), rng.integers(6, 22, 60))[:length]

    warp, weft = bands(WIDTH), bands(HEIGHT)
    twill = ((X + Y) // 3 % 2)[..., None]
    return ((warp[None, :, None] * twill + weft[:, None, None] * (1 - twill)) * (215, 30, 70)).astype(np.uint8)


def contour_map(rng: np.random.Generator) -> np.ndarray:
    """A map with contour lines of random noise."""
    level = smooth_noise(rng, (HEIGHT, WIDTH), 22, 22) * 14
    picture = coloured(np.floor(level) / 20 + 0.1, "GnBu")
    edge = np.hypot(*np.gradient(level)) > np.abs(level - np.round(level))
    picture[edge] = (30, 60, 110)
    return picture


GENERATORS = (
    checkerboard, rings, cells, clouds, arcs, mandelbrot, written_page, bar_chart, stars, bricks,
    sunset_ridges, night_city, honeycomb, spirograph, bubbles, digits_sheet, relief_map, maze, tartan, contour_map,
)  # fmt: skip


def foreign_pictures(seed: int) -> list[np.ndarray]:
    """Draw the twenty (240, 320, 3) uint8 RGB pictures, the same for the same seed."""
    return [draw(np.random.default_rng((seed, k))) for k, draw in enumerate(GENERATORS)]
