"""The texts that ``xrlab --help`` and its commands show."""

EXIT_CODES = """\
exit codes:
  0    fine
  1    there is an answer, but the image is not explained by this model
  2    bad usage, or a file that cannot be read or written
  70   a fault in xrlab itself, with its traceback
  130  interrupted
"""

DESCRIPTION = """\
Read the disorder of crystals off their diffuse X-ray scattering.

An image is 64 x 64 pixels, h and k from 0 to 2 reciprocal lattice units, ends included (or a
window that begins at other whole numbers). The result is the correlations c(i, j) between sites
i apart along a and j apart along b: 1 always alike, 0 random, -1 always different.
"""

EXAMPLES = {
    "": """\
examples:
  xrlab simulate 0.6 -0.6 -0.36 --out stripes.npy       three numbers to an image
  xrlab interpret stripes.npy --kind simulated --span 2 and back again
  xrlab interpret box.tif --report box.html             a measured image, with a report
  xrlab interpret --help                                more on one command
""",
    "interpret": """\
examples:
  xrlab interpret box.tif --report box.html
  xrlab interpret scan.nxs --dataset entry/data --json -
  xrlab interpret hk0.tif --h -6 6 --k -6 6 --window 2 -4 --report part.html
  xrlab interpret box.tif --pipeline mine.yaml --csv box.csv
  xrlab interpret box.tif --quick                       the network alone, no test of the model
  xrlab interpret hk0.tif --h -6 6 --k -6 6 --join      all windows of 2 x 2 cells together

Start with the default, kind "measured": its network was trained with form factors, backgrounds,
Bragg peaks, gaps and noise, and needs no pipeline. Read the warnings before the numbers.
""",
    "simulate": """\
examples:
  xrlab simulate 0.6 0.3 0.2 --out image.npy            c(0, 1), c(1, 0), c(1, 1)
  xrlab simulate --preset checkerboard --span 3 --out image.png
  xrlab simulate 0.5 0.4 0.2 --size 96 --lot-size 48 --lots 64 --out image.tif

Values are the matrix row by row without c(0, 0): 3, 8, 15 values for spans 2, 3, 4. Not every
encoding is possible: the realised encoding is printed beside the target.
""",
    "dataset": """\
examples:
  xrlab dataset my_set.zarr --images 100000 --span 4
  xrlab dataset my_set.zarr --images 200000 --span 4    grows the same set

After an interruption the same command continues, and the files come out the same.
In Python: xrlab.open_data_set("my_set.zarr")[:100].images
""",
    "pipelines": """\
Save one as a file, change it, and give it to xrlab interpret --pipeline FILE.yaml
""",
}
