// The backend layer's public face.

export {
  BACKEND_NAMES,
  type BackendInfo,
  type BackendName,
  type BackendProbe,
  type Precision,
} from './types.js';
export { type UseBackendOptions, useBackend } from './use.js';
