import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { CheckoutController } from './checkout.controller.js';
import { CheckoutService } from './checkout.service.js';
import { Orders } from './orders.js';
import { readSettings, SETTINGS } from './settings.js';
import { SettlementErrors } from './settlement-errors.filter.js';
import { SettlementModule } from './settlement.module.js';
import { WebhookController } from './webhook.controller.js';

@Module({
  imports: [SettlementModule],
  controllers: [CheckoutController, WebhookController],
  providers: [
    Orders,
    CheckoutService,
    { provide: SETTINGS, useFactory: () => readSettings() },
    { provide: APP_FILTER, useClass: SettlementErrors },
  ],
})
export class AppModule {}
