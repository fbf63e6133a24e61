import {
  BadRequestException,
  Body,
  Controller,
  Get,
  Param,
  ParseUUIDPipe,
  Post,
} from '@nestjs/common';
import type { CancelAnswer, OpenedSession, ReportAnswer, SessionView } from 'stellar-settlement';
import { CheckoutService } from './checkout.service.js';
import { Orders, type Order } from './orders.js';

@Controller('orders')
export class CheckoutController {
  constructor(
    private readonly orders: Orders,
    private readonly checkout: CheckoutService,
  ) {}

  @Post()
  async open(@Body() body: unknown): Promise<{ order: Order; payment: OpenedSession }> {
    const { reference, lumens } = (body ?? {}) as Record<string, unknown>;
    if (typeof reference !== 'string' || typeof lumens !== 'string') {
      throw new BadRequestException('Send { "reference": "A-17", "lumens": "25" }.');
    }
    const order = this.orders.create(reference, lumens);
    return { order, payment: await this.checkout.open(order) };
  }

  @Get(':id')
  async show(
    @Param('id', ParseUUIDPipe) id: string,
  ): Promise<{ order: Order; session: SessionView | null }> {
    return { order: this.orders.find(id), session: await this.checkout.show(id) };
  }

  @Post(':id/paid')
  paid(@Param('id', ParseUUIDPipe) id: string, @Body() body: unknown): Promise<ReportAnswer> {
    const { txHash } = (body ?? {}) as Record<string, unknown>;
    if (typeof txHash !== 'string') throw new BadRequestException('Send { "txHash": "…" }.');
    return this.checkout.paid(this.orders.find(id).id, txHash);
  }

  @Post(':id/cancel')
  cancel(@Param('id', ParseUUIDPipe) id: string): Promise<CancelAnswer> {
    return this.checkout.cancel(this.orders.find(id).id);
  }
}
