import { Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { connectSettlement, type SettlementClient } from 'stellar-settlement';

export const SETTLEMENT = Symbol('settlement');

@Global()
@Module({
  // Reads TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, … or temporal.toml.
  providers: [{ provide: SETTLEMENT, useFactory: () => connectSettlement() }],
  exports: [SETTLEMENT],
})
export class SettlementModule implements OnApplicationShutdown {
  constructor(@Inject(SETTLEMENT) private readonly settlement: SettlementClient) {}

  onApplicationShutdown(): Promise<void> {
    return this.settlement.close();
  }
}
