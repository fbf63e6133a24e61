/** Horizon's errors: RFC 7807 bodies with `type` URIs (render/problem/problem.go). */
import type { Json } from './history.ts';

const TYPE_HOST = 'https://stellar.org/horizon-errors/';

/** An answer that is an error. */
export class Problem extends Error {
  readonly status: number;
  readonly body: Json;

  constructor(status: number, type: string, title: string, detail: string, extras?: Json) {
    super(title);
    this.status = status;
    this.body = { type: TYPE_HOST + type, title, status, detail, ...(extras ? { extras } : {}) };
  }
}

/** 404: the path is unknown, or there is nothing under it. */
export function notFound(): Problem {
  const detail =
    'The resource at the url requested was not found.  This usually occurs for one of two reasons:  The url requested is not valid, or no data in our database could be found with the parameters provided.';
  return new Problem(404, 'not_found', 'Resource Missing', detail);
}

/** 400: the request is wrong, and Horizon does not say where. */
export function badRequest(): Problem {
  const detail = 'The request you sent was invalid in some way.';
  return new Problem(400, 'bad_request', 'Bad Request', detail);
}

/** 400: one field of the request is wrong. */
export function invalidField(field: string, reason: string): Problem {
  const extras = { invalid_field: field, reason };
  const detail = 'The request you sent was invalid in some way.';
  return new Problem(400, 'bad_request', 'Bad Request', detail, extras);
}

/** 410: what was asked for is older than the node's history. Ascending pages never answer it. */
export function beforeHistory(): Problem {
  const detail =
    "This horizon instance is configured to only track a portion of the stellar network's latest history. This request is asking for results prior to the recorded history known to this horizon instance.";
  return new Problem(410, 'before_history', 'Data Requested Is Before Recorded History', detail);
}

/** 400: the network refused or failed a transaction. */
export function transactionFailed(envelopeXdr: string, resultXdr: string, codes: Json): Problem {
  const detail =
    'The transaction failed when submitted to the stellar network. The `extras.result_codes` field on this response contains further details.  Descriptions of each code can be found at: https://developers.stellar.org/api/errors/http-status-codes/horizon-specific/transaction-failed/';
  const extras = { envelope_xdr: envelopeXdr, result_codes: codes, result_xdr: resultXdr };
  return new Problem(400, 'transaction_failed', 'Transaction Failed', detail, extras);
}

/** 400: what was posted is no envelope. */
export function transactionMalformed(envelopeXdr: string): Problem {
  const detail =
    'Horizon could not decode the transaction envelope in this request. A transaction should be an XDR TransactionEnvelope struct encoded using base64.  The envelope read from this request is echoed in the `extras.envelope_xdr` field of this response for your convenience.';
  const extras = { envelope_xdr: envelopeXdr };
  return new Problem(400, 'transaction_malformed', 'Transaction Malformed', detail, extras);
}

/** 504 to a POST: the outcome is unknown. */
export function submissionTimeout(hash: string, envelopeXdr: string): Problem {
  const detail =
    'Your transaction submission request has timed out. This does not necessarily mean the submission has failed. Before resubmitting, please use the transaction hash provided in `extras.hash` to poll the GET /transactions endpoint for sometime and check if it was included in a ledger.';
  const title = 'Transaction Submission Timeout';
  const extras = { hash, envelope_xdr: envelopeXdr };
  return new Problem(504, 'transaction_submission_timeout', title, detail, extras);
}

/** 429, with the headers of Horizon's rate limiter added by the caller. */
export function rateLimited(): Problem {
  const detail =
    "The rate limit for the requesting IP address is over its alloted limit.  The allowed limit and requests left per time period are communicated to clients via the http response headers 'X-RateLimit-*' headers.";
  return new Problem(429, 'rate_limit_exceeded', 'Rate Limit Exceeded', detail);
}

/** 503, three kinds of it; stale_history has `extras` with both ends of the lag. */
export function unavailable(
  kind: 'stale_history' | 'still_ingesting' | 'server_over_capacity',
  extras?: Json,
): Problem {
  const [title, detail] = {
    stale_history: [
      'Historical DB Is Too Stale',
      "This horizon instance is configured to reject client requests when it can determine that the history database is lagging too far behind the connected instance of Stellar-Core or read replica. It's also possible that Stellar-Core is out of sync. Please try again later.",
    ],
    still_ingesting: [
      'Still Ingesting',
      "Data cannot be presented because it's still being ingested. Please wait for several minutes before trying your request again.",
    ],
    server_over_capacity: [
      'Server Over Capacity',
      'This horizon server is currently overloaded.  Please wait for several minutes before trying your request again.',
    ],
  }[kind] as [string, string];
  return new Problem(503, kind, title, detail, extras);
}

/** 504 to any request but a submission. */
export function timeout(): Problem {
  const detail =
    'Your request timed out before completing.  Please try your request again. If you are submitting a transaction make sure you are sending exactly the same transaction (with the same sequence number).';
  return new Problem(504, 'timeout', 'Timeout', detail);
}

/** 500. */
export function serverError(): Problem {
  const detail =
    'An error occurred while processing this request.  This is usually due to a bug within the server software.  Trying this request again may succeed if the bug is transient. Otherwise, please contact the system administrator.';
  return new Problem(500, 'server_error', 'Internal Server Error', detail);
}
