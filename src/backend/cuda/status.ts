// Error codes of the CUDA libraries as errors: the call, the code's name, and the fix.

import { DeviceLostError, EnvironmentError } from '../../base/errors.js';
import { OutOfMemoryError } from '../outOfMemory.js';

/** A call into CUDA that failed. */
export class CudaError extends EnvironmentError {
  override readonly name = 'CudaError';
  /**
   * @param call the function's name; @param code what it returned; @param codeName CUDA's name of that;
   * @param advice what helps
   */
  constructor(
    readonly call: string,
    readonly code: number,
    readonly codeName: string,
    readonly advice: string,
    options?: ErrorOptions,
  ) {
    super(`${call} failed with ${codeName} (${code}): ${advice}`, options);
  }
}

/** CUresult's names and what helps; cuda.h. */
const DRIVER: Record<number, [string, string]> = {
  1: ['CUDA_ERROR_INVALID_VALUE', 'this is a bug in tinygpt; please report it'],
  2: ['CUDA_ERROR_OUT_OF_MEMORY', 'make batch or model smaller, or end other programs on this GPU'],
  3: ['CUDA_ERROR_NOT_INITIALIZED', 'restart the process'],
  4: ['CUDA_ERROR_DEINITIALIZED', 'the process is ending'],
  34: [
    'CUDA_ERROR_STUB_LIBRARY',
    'a stub of libcuda is on the library path; put the folder of the driver before it',
  ],
  36: ['CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER', 'install a newer NVIDIA driver'], // since CUDA 13
  46: ['CUDA_ERROR_DEVICE_UNAVAILABLE', 'another process holds this GPU; choose another with --device'],
  100: [
    'CUDA_ERROR_NO_DEVICE',
    'no GPU is visible; see nvidia-smi, and whether CUDA_VISIBLE_DEVICES hides it',
  ],
  101: ['CUDA_ERROR_INVALID_DEVICE', 'choose another GPU with --device; nvidia-smi lists them'],
  200: ['CUDA_ERROR_INVALID_IMAGE', 'the compiled kernel is damaged; empty the cuda folder of the cache'],
  201: ['CUDA_ERROR_INVALID_CONTEXT', 'restart the process'],
  209: [
    'CUDA_ERROR_NO_BINARY_FOR_GPU',
    'the kernel was compiled for another GPU; empty the cuda folder of the cache',
  ],
  214: ['CUDA_ERROR_ECC_UNCORRECTABLE', 'the memory of this GPU has a fault; see nvidia-smi -q -d ECC'],
  218: ['CUDA_ERROR_INVALID_PTX', 'install a newer NVIDIA driver, or an NVRTC of its version'],
  221: [
    'CUDA_ERROR_JIT_COMPILER_NOT_FOUND',
    'reinstall the NVIDIA driver (libnvidia-ptxjitcompiler is missing)',
  ],
  220: ['CUDA_ERROR_NVLINK_UNCORRECTABLE', 'the link between GPUs failed; see nvidia-smi nvlink -e'],
  222: ['CUDA_ERROR_UNSUPPORTED_PTX_VERSION', 'install a newer NVIDIA driver, or an NVRTC of its version'],
  226: ['CUDA_ERROR_CONTAINED', 'the GPU had a hardware or link error; see nvidia-smi -q'],
  304: ['CUDA_ERROR_OPERATING_SYSTEM', 'see the system log (dmesg)'],
  400: ['CUDA_ERROR_INVALID_HANDLE', 'this is a bug in tinygpt; please report it'],
  500: ['CUDA_ERROR_NOT_FOUND', 'this is a bug in tinygpt; please report it'],
  600: ['CUDA_ERROR_NOT_READY', 'this is a bug in tinygpt; please report it'],
  700: ['CUDA_ERROR_ILLEGAL_ADDRESS', 'a kernel accessed memory out of bounds'],
  701: ['CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES', 'this GPU has too few registers or too little shared memory'],
  702: ['CUDA_ERROR_LAUNCH_TIMEOUT', "the display's watchdog ended a kernel; use a GPU without a display"],
  709: ['CUDA_ERROR_CONTEXT_IS_DESTROYED', 'the GPU was reset'],
  710: ['CUDA_ERROR_ASSERT', 'an assertion in a kernel failed'],
  714: ['CUDA_ERROR_HARDWARE_STACK_ERROR', 'the call stack of a kernel was corrupted'],
  715: ['CUDA_ERROR_ILLEGAL_INSTRUCTION', 'a kernel executed an illegal instruction'],
  716: ['CUDA_ERROR_MISALIGNED_ADDRESS', 'a kernel accessed an address that is not aligned'],
  717: ['CUDA_ERROR_INVALID_ADDRESS_SPACE', 'a kernel accessed memory of the wrong kind'],
  718: ['CUDA_ERROR_INVALID_PC', 'a kernel jumped to an invalid address'],
  719: ['CUDA_ERROR_LAUNCH_FAILED', 'a kernel failed'],
  721: ['CUDA_ERROR_TENSOR_MEMORY_LEAK', 'a kernel ended without freeing tensor memory'],
  801: ['CUDA_ERROR_NOT_SUPPORTED', 'this GPU or driver does not support it'],
  802: ['CUDA_ERROR_SYSTEM_NOT_READY', 'the GPUs are still starting (nvidia-fabricmanager); try again'],
  803: [
    'CUDA_ERROR_SYSTEM_DRIVER_MISMATCH',
    'library and kernel module of the driver differ; restart the machine',
  ],
  804: ['CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE', 'install the driver that this CUDA needs'],
  810: ['CUDA_ERROR_MPS_CLIENT_TERMINATED', "the MPS server ended this process's access to the GPU"],
  911: ['CUDA_ERROR_EXTERNAL_DEVICE', 'a device outside the GPU failed'],
  999: ['CUDA_ERROR_UNKNOWN', 'see the system log (dmesg); restarting the machine often helps'],
};

/** nvrtcResult's names; nvrtc.h. */
const NVRTC: Record<number, [string, string]> = {
  1: ['NVRTC_ERROR_OUT_OF_MEMORY', 'free some memory on this machine'],
  2: ['NVRTC_ERROR_PROGRAM_CREATION_FAILURE', 'reinstall NVRTC'],
  3: ['NVRTC_ERROR_INVALID_INPUT', 'this is a bug in tinygpt; please report it'],
  4: ['NVRTC_ERROR_INVALID_PROGRAM', 'this is a bug in tinygpt; please report it'],
  5: ['NVRTC_ERROR_INVALID_OPTION', 'install NVRTC of CUDA 12 or later'],
  6: ['NVRTC_ERROR_COMPILATION', 'the sources of the kernels do not compile'],
  7: [
    'NVRTC_ERROR_BUILTIN_OPERATION_FAILURE',
    'libnvrtc-builtins is missing next to libnvrtc; reinstall NVRTC',
  ],
  11: ['NVRTC_ERROR_INTERNAL_ERROR', 'reinstall NVRTC, or try another version of it'],
};

/** cublasStatus_t's names; cublas_api.h. */
const CUBLAS: Record<number, [string, string]> = {
  1: ['CUBLAS_STATUS_NOT_INITIALIZED', 'cuBLASLt needs a newer driver, or a GPU that it supports'],
  3: ['CUBLAS_STATUS_ALLOC_FAILED', 'out of memory; make batch or model smaller'],
  7: ['CUBLAS_STATUS_INVALID_VALUE', 'this is a bug in tinygpt; please report it'],
  8: ['CUBLAS_STATUS_ARCH_MISMATCH', 'this cuBLASLt does not support this GPU; install a newer one'],
  11: ['CUBLAS_STATUS_MAPPING_ERROR', 'restart the process'],
  13: ['CUBLAS_STATUS_EXECUTION_FAILED', 'the matmul kernel failed; restart the process'],
  14: ['CUBLAS_STATUS_INTERNAL_ERROR', 'reinstall cuBLAS, or try another version of it'],
  15: ['CUBLAS_STATUS_NOT_SUPPORTED', 'this cuBLASLt has no kernel for such a matmul; install a newer one'],
};

/** Some of cudnnStatus_t's names; cudnn_graph.h. */
const CUDNN: Record<number, [string, string]> = {
  1001: ['CUDNN_STATUS_NOT_INITIALIZED', 'cuDNN needs a newer driver, or a GPU that it supports'],
  1002: ['CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH', 'two versions of cuDNN are mixed; reinstall it'],
  1008: ['CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED', 'libraries next to libcudnn are missing; reinstall cuDNN'],
  2000: ['CUDNN_STATUS_BAD_PARAM', 'this is a bug in tinygpt; please report it'],
  3000: ['CUDNN_STATUS_NOT_SUPPORTED', 'this cuDNN has no engine for it; install a newer one'],
  4000: ['CUDNN_STATUS_INTERNAL_ERROR', 'reinstall cuDNN, or try another version of it'],
  4004: ['CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED', 'make batch or model smaller'],
  5000: ['CUDNN_STATUS_EXECUTION_FAILED', 'try another version of cuDNN'],
};

const TABLES = { driver: DRIVER, nvrtc: NVRTC, cublas: CUBLAS, cudnn: CUDNN };

/** Which library's codes a number is of. */
export type CodeSpace = keyof typeof TABLES;

export const NOT_READY_CODE = 600;

/** Codes that say that memory ran out: the device's, page-locked memory, or, for NVRTC, the machine's. */
const EXHAUSTED: Record<CodeSpace, number> = { driver: 2, nvrtc: 1, cublas: 3, cudnn: 4004 };

/** Whether a call failed for lack of memory. */
export const isExhausted = (space: CodeSpace, code: number): boolean => EXHAUSTED[space] === code;

/**
 * CUresults after which every further call of the process fails; cuda.h: "the process must be terminated and relaunched".
 * 214 and 220 do not say so, but what they leave on the device cannot be trusted.
 */
const STICKY = [214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911];

/**
 * The error for a call that returned `code`, which is not 0: a CudaError, or an OutOfMemoryError or a DeviceLostError that it
 * is the cause of.
 */
export function failure(space: CodeSpace, call: string, code: number, detail?: string): Error {
  const [name, advice] = TABLES[space][code] ?? [`error ${code}`, 'see the CUDA documentation of this call'];
  const error = new CudaError(call, code, name, detail ?? advice);
  if (isExhausted(space, code)) return new OutOfMemoryError(error.message, { cause: error });
  if (space === 'driver' && STICKY.includes(code)) return lost(error);
  return error;
}

/** The loss of the device that a failed call has shown. */
export const lost = (error: CudaError): DeviceLostError =>
  new DeviceLostError(`${error.message}; this process can no longer use the GPU`, { cause: error });

/** Whether a call was refused only because the stream is being recorded, or its recording has failed: 900 to 908. */
export const isRefusedByCapture = ({ code }: CudaError): boolean => code >= 900 && code <= 908;

/** The failed call behind an error; undefined where there is none. */
export function cudaErrorOf(error: unknown): CudaError | undefined {
  for (let e = error; e instanceof Error; e = e.cause) if (e instanceof CudaError) return e;
  return undefined;
}
