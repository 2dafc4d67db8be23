"""Bounds of a stranger's counts and strings: one table.

What exceeds a bound is refused or left out, and counted in one line of the log.
"""

# A chunk of events or points has at most 1 MiB: real lines have 60 bytes and more.
CHUNK_BYTES = 1024 * 1024  # of events and points, of an output, of a log
LINES = 32_768  # of a chunk
TORN_LINES = 1000  # of them that are no event or point: a power cut tears one
# A message of a host.
COUNT_MAX = 2**60  # bytes, items or an id: a 64-bit database column has room to add
SECONDS_MAX = 2**33  # of a time since the epoch: the year 2242
ERROR_CHARS = 200
WORDS_CHARS = 4000
DEPTH = 16  # of JSON; real messages have 6
OUTPUTS_MAX = 10_000  # files that one job may leave
PATH_CHARS = 400
NAME_CHARS = 64
VALUES_MAX = 256  # of an event's slots, of a point
FINDINGS_MAX = 256
RUNS_MAX = 1000  # jobs, and servers, that a host may report at once
DIES_MAX = 1024
TOOLS_MAX = 64
IMAGES_MAX = 2000
# A confined worker, which stays for the next task.
IDLE_READER_BYTES = 64 * 1024 * 1024  # above a new one; a chunk of a log leaves nothing
# An archive to import.
MOST_FILES = 3000
LONGEST_PATH = 280
GZIP_MEMBERS = 10_000  # parallel packers write one for each 64 KiB
ZIP_DIRECTORY_BYTES = 2 * 1024 * 1024  # 3,000 files of long paths need half of it
# What a job's report registers: weights, artifacts, environments.
PRODUCT_TEXT_CHARS = 1000
PRODUCT_BYTES = 256 * 1024  # of all, as JSON: packages of an environment have 20 kB
# A chat's answer. The longest honest one, 131,072 tokens of about 300 bytes as events, takes 40 MB.
STREAM_BYTES = 64 * 1024 * 1024
ANSWER_BYTES = 4 * 1024 * 1024  # one line, or one JSON object
OBJECTS_A_LINE = 131_072  # of JSON, side by side: 32,768 tokens have four each
ANSWER_CHARS = 1_000_000  # of its text, and of its reasoning: 131,072 tokens have 600,000
TOOL_CALLS = 128  # of an answer; their arguments have ANSWER_CHARS together
TOOL_NAME_CHARS = 200  # of a call's name, and of its id
CHAT_PAGE_CHARS = 2_000_000  # read for one page of a chat, or of one longer turn
TURN_CHARS = 5000  # of it for a turn's own words and buttons
CHAT_FILE_BYTES = 16 * 1024 * 1024  # an exported chat to import
READ_HERE_BYTES = 64 * 1024  # by the web process; longer answers are read by a confined worker
TOKENS_BYTES = 512 * 1024  # numbers of a text's tokens
TOKENIZED_CHARS = 400_000
