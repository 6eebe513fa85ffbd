// What the dynamic loader's errors mean: which library is missing, which build does not match, and the fix.

import { messageOf } from '../../base/errors.js';
import { type Candidate, type Fault, setupCommand } from './find.js';

/** Reads the error of loading a package's addon. */
export function diagnose(error: unknown, { name }: Pick<Candidate, 'name'>): Fault {
  const message = messageOf(error);
  const line = message.split('\n', 1)[0]!;
  const remedy = setupCommand(name);
  const fault = (reason: string, mend = remedy): Fault => ({ reason, remedy: mend, broken: true });

  const missing = /(\S+): cannot open shared object file|Library not loaded: (\S+)/.exec(message);
  if (missing) {
    const library = missing[1] ?? missing[2]!;
    const what = `${name} needs the shared library ${library}, which is not found`;
    if (/libtensorflow/.test(library)) return fault(what);
    if (/libcu|libnv|libnccl/.test(library))
      return fault(
        what,
        `npx tinygpt setup tensorflow --gpu, which brings CUDA's libraries, or name its folder in LD_LIBRARY_PATH`,
      );
    return fault(what, `install what holds ${library}, or name its folder in LD_LIBRARY_PATH`);
  }
  const versions = /NODE_MODULE_VERSION (\d+)/.exec(message);
  if (versions)
    return fault(
      `the native addon of ${name} was built for another Node.js (NODE_MODULE_VERSION ${versions[1]}, this one has ${process.versions.modules})`,
    );
  const tooOld = /version `((GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found/.exec(message);
  if (tooOld) {
    const library = tooOld[2] === 'GLIBC' ? 'C library (glibc)' : 'C++ library (libstdc++)';
    return fault(
      `${name} needs ${tooOld[1]}, which this system's ${library} is too old for`,
      `${remedy} with --release and an older TensorFlow, or a newer system`,
    );
  }
  if (
    /undefined symbol|invalid ELF|wrong ELF|file too short|Exec format|not a valid Win32|incompatible architecture/i.test(
      message,
    )
  )
    return fault(`the native addon of ${name} was built for another system or TensorFlow (${line})`);
  return fault(`${name} does not load (${line})`);
}
