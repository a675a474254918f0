# Environment settings for CPU training: source this before running the Python modules.
grep -q amx_bf16 /proc/cpuinfo && core=SAPPHIRERAPIDS || core=COOPERLAKE
export OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-$core} OMP_WAIT_POLICY=passive ATEN_CPU_CAPABILITY=avx512
export ONEDNN_MAX_CPU_ISA=AVX512_CORE_AMX PYTHON=${PYTHON:-/usr/bin/python3}
# Keep freed memory instead of handing it back to the system after every step.
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=17179869184
