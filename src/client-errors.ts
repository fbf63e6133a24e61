/** What a backend sees when Temporal, or a worker, does not answer. */
import { isGrpcServiceError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { NotAnswered, Refusal, type RefusalCode } from './domain/failure.ts';
import { AnswerDiffers } from './doors/answers.ts';

/** What the SDK says of a payload in a form that it does not know. */
const UNREADABLE = 'Unknown encoding: binary/encrypted';

/** DEADLINE_EXCEEDED: the time of the request was up. RESOURCE_EXHAUSTED: the run has as many updates as Temporal takes. */
const PASSING: ReadonlySet<number> = new Set([4, 8]);

/**
 * The run that was asked has ended meanwhile (by itself, or as a wrong start): the next question starts another. The words are
 * those of the server and of the time-skipping server.
 */
const RUN_ENDED = /workflow execution already completed|completed workflow/i;

/** What Temporal says of a run that takes no such update: one that was started wrongly and is just ending, or a foreign one. */
const NO_HANDLER = /^No registered handler for update/;

/** Another try may be answered, if the caller has time left. Every question may be asked twice. */
export function isPassing(error: unknown): boolean {
  for (let e = error; e instanceof Error; e = e.cause) {
    if (isGrpcServiceError(e) && (PASSING.has(e.code) || RUN_ENDED.test(e.message))) return true;
    if (!(e instanceof ApplicationFailure)) continue;
    if (e.type === 'AcceptedUpdateCompletedWorkflow' || NO_HANDLER.test(e.message)) return true;
  }
  return false;
}

/** Temporal's errors, as a backend wants them: a Refusal with its code and field, or NotAnswered. */
export function asCallerSeesIt(error: unknown, sessionId: string): unknown {
  for (let e = error; e instanceof Error; e = e.cause) {
    if (e.message.startsWith(UNREADABLE)) {
      return new Error(
        'The workers encrypt what they answer: TEMPORAL_CODEC_KEYS must be set here, too.',
        { cause: error },
      );
    }
    if (e instanceof ApplicationFailure && NO_HANDLER.test(e.message)) {
      return new AnswerDiffers(sessionId, 'what it takes', 'nothing of this kind', 'a session');
    }
    if (e instanceof ApplicationFailure && e.nonRetryable && e.type) {
      const [field] = e.details ?? [];
      return new Refusal(
        e.type as RefusalCode,
        e.message,
        typeof field === 'string' ? field : null,
      );
    }
  }
  const deadline = isGrpcServiceError(error) || !(error instanceof WorkflowUpdateFailedError);
  if (!deadline) return error;
  return new NotAnswered(
    `No answer about session ${sessionId} in time. Is a worker running? The request may still be carried out.`,
    { cause: error },
  );
}
