/** Where payloads are encrypted, messages and stacks of failures are, too. Temporal loads this file by its path. */
import { DefaultFailureConverter } from '@temporalio/common';

/** The name under which Temporal looks for it. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
