"""The compiled modules. SKRNN_DEBUG=1: check indices. SKRNN_NO_OPENMP=1: no threads."""

import os
from sysconfig import get_platform

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

DEBUG = os.environ.get("SKRNN_DEBUG") == "1"
OPENMP = [] if os.environ.get("SKRNN_NO_OPENMP") == "1" else ["-fopenmp"]
BUILD = "build" + "/debug" * DEBUG + "/serial" * (not OPENMP)
DIRECTIVES = dict.fromkeys(("boundscheck", "initializedcheck"), DEBUG)
DIRECTIVES |= {"language_level": 3, "wraparound": False, "cdivision": True}
# The same bits everywhere: the compiler fuses no operations on its own, and objects of
# different instruction sets stay apart. These flags follow CFLAGS, and so win.
FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
FLAGS += ["-fno-lto", "-Wno-unused-function", "-g" if DEBUG else "-g0"]
# In the kernels `cdef inline` is always inlined and plain `cdef` never.
KERNEL = ["-fno-inline", "-DCYTHON_INLINE=inline __attribute__((always_inline))"]
AVX = ["-mavx2", "-mfma", "-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw"]
SETS = {"avx2": AVX[:2], "avx512": [*AVX, "-mprefer-vector-width=512"]}
if get_platform().endswith(("aarch64", "arm64")):
    SETS = {"neon": []}
MODULES = {f[:-4]: [] for f in sorted(os.listdir("skrnn")) if f.endswith(".pyx")}
MODULES["_recurrence"] = OPENMP
for isa, flags in {"baseline": [], **SETS}.items():
    flags = [f"-DSKRNN_{isa.upper()}", *KERNEL, *flags]
    MODULES[f"_kernels.{isa}_float32"] = flags
    MODULES[f"_kernels.{isa}_float64"] = ["-DSKRNN_DOUBLE", *flags]


def extension(name, flags):
    ext = Extension(f"skrnn.{name}", [f"skrnn/{name.replace('.', '/')}.pyx"])
    ext.include_dirs, ext.depends = ["skrnn/_kernels"], ["setup.py"]
    ext.extra_compile_args = FLAGS + flags
    ext.extra_link_args = [flag for flag in flags if flag in OPENMP]
    return ext


class BuildExt(build_ext):
    def build_extension(self, ext):
        ext.optional = ext.name.split(".")[-1].startswith(tuple(SETS))
        try:
            super().build_extension(ext)
        except (CompileError, LinkError):
            if ext.name != "skrnn._recurrence":
                raise
            ext.extra_compile_args, ext.extra_link_args = FLAGS, []  # no OpenMP
            super().build_extension(ext)


if __name__ == "__main__":
    modules = [extension(*item) for item in MODULES.items()]
    cython = {"build_dir": BUILD, "nthreads": os.cpu_count()}
    modules = cythonize(modules, compiler_directives=DIRECTIVES, **cython)
    options = {"build": {"build_base": BUILD}, "build_ext": {"parallel": True}}
    setup(ext_modules=modules, cmdclass={"build_ext": BuildExt}, options=options)
