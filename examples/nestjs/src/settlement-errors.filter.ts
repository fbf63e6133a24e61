import type { ServerResponse } from 'node:http';
import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { NotAnswered, Refusal } from 'stellar-settlement';

/** What the settlement client throws, as HTTP: the request is wrong, or nobody answered and it may be sent again. */
@Catch(Refusal, NotAnswered)
export class SettlementErrors implements ExceptionFilter {
  catch(error: Refusal | NotAnswered, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<ServerResponse>();
    const status = error instanceof NotAnswered ? 503 : STATUS[error.code];
    const { code, field } = error instanceof Refusal ? error : { code: error.name, field: null };
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ code, field, message: error.message }));
  }
}

/** `satisfies` names a code that is new. */
const STATUS = {
  InvalidInput: 400,
  MerchantNotFound: 400,
  SessionNotFound: 404,
  DeliveryNotFound: 404,
  SessionExistsWithOtherBody: 409,
  ReferenceInUse: 409,
  CannotBeSettled: 409,
} as const satisfies Record<Refusal['code'], number>;
