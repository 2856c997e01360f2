"""CPU and wall seconds of reading 16, 64 and all frames of a 10 s clip, ours beside the other readers.

The clips are made here: 1280 x 720, 30 frames a second, H.264 with B-frames, a key frame every 250 or every 30. Each
reader is a process of its own, on one thread or on as many as it takes by default; they take turns, so that a busy
machine is busy for all, and the median of the turns counts. A read begins at the closed file and ends with RGB arrays
in memory. ``decord`` and ``torchcodec`` take part where they are installed:
``uv run --with decord --with torchcodec benchmarks/decode.py``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from bench import Row, show
from numpy.typing import NDArray

WIDTH, HEIGHT, FRAMES, RATE, BITS = 1280, 720, 300, 30, 9
Read = Callable[[str, list[int], int], Any]  # path, frame numbers, threads (0: the reader's own default)


def make_clip(path: Path, gop: int, seed: int) -> None:
    """A panning texture with grain; a row of squares at the top is the frame's number, the lowest bit first."""
    import av
    import cv2

    random = np.random.default_rng(seed)
    field = np.kron(random.integers(50, 205, (130, 240, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    field = cv2.GaussianBlur(field, (0, 0), 4).astype(np.int16)
    grain = random.normal(0, 4, (4, HEIGHT, WIDTH, 1)).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "23", "g": str(gop), "bf": "3"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            x, y = number * 2, number
            image = (field[y : y + HEIGHT, x : x + WIDTH] + grain[number % 4]).clip(0, 255).astype(np.uint8)
            for bit in range(BITS):
                image[:80, bit * 80 : bit * 80 + 80] = 255 if number >> bit & 1 else 0
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def number_of(image: NDArray[np.uint8]) -> int:
    """The number that a picture carries."""
    return sum(int(image[40, bit * 80 + 40].mean() > 128) << bit for bit in range(BITS))


def read_ours(path: str, frames: list[int], _: int) -> Any:
    """``fm_hub.video``: always one thread, as a build has one worker a core."""
    from fm_hub.video import index_video, read_frames

    index = index_video(path)
    return read_frames(index, index.times[frames].tolist())


def read_pyav(path: str, frames: list[int], threads: int) -> Any:
    """PyAV from the start to the last wanted frame."""
    import av

    wanted, found = set(frames), []
    with av.open(path) as container:
        stream = container.streams.video[0]
        if threads:
            stream.thread_count = threads
        for number, frame in enumerate(container.decode(stream)):
            if number in wanted:
                found.append(frame.to_ndarray(format="rgb24"))
            if len(found) == len(frames):
                break
    return found


def read_decord(path: str, frames: list[int], threads: int) -> Any:
    """Decord by frame number."""
    import decord

    return decord.VideoReader(path, num_threads=threads).get_batch(frames).asnumpy()


def read_torchcodec(path: str, frames: list[int], threads: int) -> Any:
    """TorchCodec by frame number, exact; its default is one thread."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=threads or 1, seek_mode="exact")
    return decoder.get_frames_at(frames).data.numpy()


def _opencv(path: str, threads: int) -> Any:
    import cv2

    options = [cv2.CAP_PROP_N_THREADS, threads] if threads else []
    return cv2.VideoCapture(path, cv2.CAP_FFMPEG, options)


def read_opencv_seek(path: str, frames: list[int], threads: int) -> Any:
    """OpenCV, setting the position before each frame that does not follow the last."""
    import cv2

    capture, found, at = _opencv(path, threads), [], 0
    for number in frames:
        if number != at:
            capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        found.append(cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB))
        at = number + 1
    return found


def read_opencv_grab(path: str, frames: list[int], threads: int) -> Any:
    """OpenCV from the start, retrieving the wanted frames only."""
    import cv2

    capture, found, wanted = _opencv(path, threads), [], set(frames)
    for number in range(max(frames) + 1):
        capture.grab()
        if number in wanted:
            found.append(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))
    return found


READERS: dict[str, Read] = {
    "fm-hub": read_ours,
    "decord": read_decord,
    "torchcodec": read_torchcodec,
    "PyAV in order": read_pyav,
    "OpenCV seek": read_opencv_seek,
    "OpenCV grab": read_opencv_grab,
}


def serve(name: str, threads: int) -> None:
    """Read what each line of standard input asks for, and answer with the seconds it took."""
    for line in sys.stdin:
        path, count = json.loads(line)
        frames = np.linspace(0, FRAMES - 1, count).round().astype(int).tolist()
        try:
            cpu, wall = time.process_time(), time.perf_counter()
            images = READERS[name](path, frames, threads)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            right = [number_of(image) for image in images] == frames
            answer: dict[str, Any] = {"cpu": cpu, "wall": wall, "right": right}
            del images
        except Exception as error:  # not installed, or cannot load: said in the table
            answer = {"error": (str(error) or type(error).__name__).splitlines()[0][:80]}
        print(json.dumps(answer), flush=True)


class Reader:
    """A reader in a process of its own."""

    def __init__(self, name: str, threads: int) -> None:
        self.name, self.error, self.right = name, "", True
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name, "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, path: Path, count: int) -> tuple[float, float]:
        """CPU and wall seconds of one read."""
        if self.error or self.process.stdin is None or self.process.stdout is None:
            return float("nan"), float("nan")
        self.process.stdin.write(json.dumps([str(path), count]) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "its process died"}')
        if "error" in answer:
            self.error = answer["error"]
            return float("nan"), float("nan")
        self.right &= answer["right"]
        return answer["cpu"], answer["wall"]

    def close(self) -> None:
        """End the process."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait()


def measure(clips: dict[int, Path], counts: list[int], threads: int, turns: int) -> list[Row]:
    """Print a table of all readers; return ours against the best and the slowest of the others, in CPU seconds."""
    readers = [Reader(name, threads) for name in READERS]
    cells = [(gop, count) for gop in clips for count in counts]
    for reader in readers:
        reader.ask(clips[min(clips)], 2)  # load the library
    seconds: dict[tuple[str, int, int], tuple[float, float]] = {}
    for gop, count in cells:
        took = {r.name: [] for r in readers}  # type: dict[str, list[tuple[float, float]]]
        for turn in range(turns):
            for reader in readers[turn % len(readers) :] + readers[: turn % len(readers)]:
                took[reader.name].append(reader.ask(clips[gop], count))
        for name, all_turns in took.items():
            seconds[name, gop, count] = median(t[0] for t in all_turns), median(t[1] for t in all_turns)
    print(f"\nCPU / wall seconds, {'one thread' if threads else 'default threads'}, median of {turns}:\n")
    print("| reader | " + " | ".join(f"gop {gop}: {count}" for gop, count in cells) + " |")
    print("|---" * (1 + len(cells)) + "|")
    for reader in readers:
        reader.close()
        said = [reader.error] + [""] * (len(cells) - 1)
        if not reader.error:
            said = ["{:.3f} / {:.3f}".format(*seconds[reader.name, gop, count]) for gop, count in cells]
        print(f"| {reader.name}{'' if reader.right else ' (WRONG FRAMES)'} | " + " | ".join(said) + " |")
    rows = []
    mode = "1 thread" if threads else "default"
    for gop, count in cells:
        ours = seconds["fm-hub", gop, count][0]
        others = [seconds[r.name, gop, count][0] for r in readers if r.name != "fm-hub" and not r.error]
        where = f"gop {gop}, {count} frames, {mode}"
        rows.append(Row(f"ours to the best: {where}", ours / min(others), "x CPU", "<=", 1.1))
        rows.append(Row(f"ours to the slowest: {where}", ours / max(others), "x CPU", "<=", 1.0))
    return rows


def main() -> None:
    """Read the arguments; be a reader, or make the clips and ask all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve, chosen.threads)
        return
    with tempfile.TemporaryDirectory() as folder:
        clips = {gop: Path(folder) / f"gop{gop}.mp4" for gop in (250, 30)}
        for gop, path in clips.items():
            make_clip(path, gop, chosen.seed)
            print(f"gop {gop}: {path.stat().st_size / 1e6:.1f} MB")
        rows = [row for threads in (1, 0) for row in measure(clips, [16, 64, FRAMES], threads, chosen.turns)]
    print()
    show("decode", rows, chosen)


if __name__ == "__main__":
    main()
