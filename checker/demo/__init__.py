"""`crossmargin demo`: the main job on a local chain, and one figure proved before the user's eyes."""

from checker.demo.show import run

__all__ = ["run"]
