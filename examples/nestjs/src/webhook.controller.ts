import type { IncomingMessage } from 'node:http';
import {
  Controller,
  HttpCode,
  Inject,
  Post,
  Req,
  UnauthorizedException,
  type RawBodyRequest,
} from '@nestjs/common';
import { Webhook } from 'standardwebhooks';
import { Orders, type PaymentEvent } from './orders.js';
import { SETTINGS, type Settings } from './settings.js';

@Controller('webhooks')
export class WebhookController {
  private readonly webhook: Webhook;

  constructor(
    @Inject(SETTINGS) { webhookSecret }: Settings,
    private readonly orders: Orders,
  ) {
    this.webhook = new Webhook(webhookSecret);
  }

  /** Verify the bytes as they came, remember, answer 2xx; slow work comes afterwards. */
  @Post('settlement')
  @HttpCode(204)
  receive(@Req() request: RawBodyRequest<IncomingMessage>): void {
    this.orders.apply(this.verified(request));
  }

  private verified({ rawBody, headers }: RawBodyRequest<IncomingMessage>): PaymentEvent {
    try {
      return this.webhook.verify(rawBody ?? '', headers as Record<string, string>) as PaymentEvent;
    } catch {
      throw new UnauthorizedException('The signature does not fit.');
    }
  }
}
