/** Which workflow code a worker runs, and under which version. */
import type { WorkerOptions } from '@temporalio/worker';
import { codeFile } from './code-file.ts';
import type { Config } from './config.ts';
import type { Temporal } from './temporal.ts';
import type { Tracing } from './tracing.ts';
import { DEPLOYMENT } from './workflows/contract.ts';

/** What a bundle is made of, for those that are made beforehand. */
export const BUNDLED = {
  workflowsPath: codeFile('./workflows/index', import.meta.url),
  payloadConverterPath: codeFile('./payload-converter', import.meta.url),
};

/**
 * With a build id, this process is one version of the deployment: Temporal gives work to the version that an operator has
 * made current. Session runs are short or wait at rest points, so all move to a new version at their next task.
 */
export function versioning({ WORKER_BUILD_ID: buildId }: Config) {
  if (buildId === undefined) return {};
  return {
    workerDeploymentOptions: {
      version: { deploymentName: DEPLOYMENT, buildId },
      useWorkerVersioning: true,
      defaultVersioningBehavior: 'AUTO_UPGRADE',
    },
  } as const;
}

/**
 * A bundle made beforehand (tests, images) or the sources, which are bundled at start. What encrypts failures, and what
 * traces need, is part of the bundle: a plain one that was made beforehand has neither.
 */
export function workflowCode(
  { worker }: Temporal,
  tracing: Tracing | null,
): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'> {
  const codePath = process.env['WORKFLOW_BUNDLE'];
  const plain = worker.dataConverter.failureConverterPath === undefined && tracing === null;
  if (codePath && plain) return { workflowBundle: { codePath } };
  return { workflowsPath: BUNDLED.workflowsPath };
}
