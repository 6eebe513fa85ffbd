// The backend layer's public face, light to import: tfjs loads when a backend is used.
// What needs tfjs at once lies beside it: `memory.js` (deviceMemory, trackPeak) and `selfTest.js`.

export { describeMachine, type Machine } from './machine.js';
export { isOutOfMemory } from './outOfMemory.js';
export {
  BACKEND_NAMES,
  type BackendInfo,
  type BackendName,
  type BackendProbe,
  type Precision,
} from './types.js';
export { probeBackends, type UseBackendOptions, useBackend } from './use.js';
