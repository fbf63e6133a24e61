/** What `node --import` loads into the certificate's workers, and Node into every thread of theirs: failpoints are in the main one. */
import { isMainThread } from 'node:worker_threads';

if (isMainThread) await import('./failpoint.ts');
