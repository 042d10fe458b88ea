"""The page of ``workbench app``: drop a video or pictures, look at what is restored, put it right by a click, download it."""
