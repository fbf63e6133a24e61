/** Where a worker takes the code of the workflows from. */
import { fileURLToPath } from 'node:url';
import type { WorkerOptions } from '@temporalio/worker';
import type { Tracing } from './tracing.ts';

/** A bundle made beforehand (tests, images) or the sources, which are bundled at start, with what traces need. */
export function workflowCode(
  tracing: Tracing | null,
): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'> {
  const codePath = process.env['WORKFLOW_BUNDLE'];
  if (codePath && tracing === null) return { workflowBundle: { codePath } };
  // TypeScript in the repository, JavaScript in an image.
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  return { workflowsPath: fileURLToPath(new URL(`./workflows/index${ending}`, import.meta.url)) };
}
