"""What files may hold at most. A video, a run or a sweep file may come from a stranger, and a small file can claim any size.

Each limit is far beyond what real work needs; it bounds the memory and the time that a damaged or hostile file can cost. What
is beyond it is refused, with an error of one line.
"""

# Whole numbers beyond this one are not exact in float64, through which tables and JSON pass them.
EXACT_INTEGER = 2**53

# Videos.
FRAME_PIXELS = 8192 * 4352  # px, width x height: more than 8K has; a decoder holds some twenty frames in memory
LIMITED_STREAMS = 64  # streams of a file that FFmpeg opens under the limit of pixels; the video is among them
NOTEBOOK_VIDEO_BYTES = 64 * 2**20  # bytes of a video that is put into a notebook, whose kernel and page hold it whole

# Pictures, lists of files, and archives, of which nothing is unpacked to the disk under a name of its own.
LIST_BYTES = 64 * 2**20  # bytes of a text list of files: a line per frame
MEMBER_BYTES = 2**29  # bytes of one picture in an archive, which is read into memory: twice what the largest frame has
ARCHIVE_RATIO = 200  # bytes that an archive unpacks to, per byte of its own: pictures hardly shrink
ARCHIVE_SPARE_BYTES = 64 * 2**20  # bytes that even a tiny archive may unpack to

# Tables and records, in bytes of the file: they are read into memory whole.
TRUTH_OR_ORDER_BYTES = 2**28  # truth.csv and order.csv: a row per frame, of any video
RUN_TABLE_BYTES = 2**30  # every other CSV table of a run: some have a row per pair of frames
JSON_BYTES = 64 * 2**20  # run.json and other JSON: the record of a run has some kilobytes
KEPT_PARAMETERS_BYTES = 2**20  # kept.yaml: all parameters together have some kilobytes
SWEEP_FILE_BYTES = 2**20  # a sweep file in YAML, written by hand

# Their contents.
SCENE_OR_PLACE = 10_000_000  # highest number of a scene, or of a place in one, in order.csv: work grows with it
SWEEP_FILE_DEPTH = 10  # levels of lists and dictionaries in a sweep file: the deepest form needs five

# HDF5 files: a dataset states its size before anything is read.
DATASET_ENTRIES = 2**26  # entries of a dataset: no frame has so many keypoints or descriptors
IMAGE_SIDE_PIXELS = 2**16  # px, width or height that a features file states for its frame
