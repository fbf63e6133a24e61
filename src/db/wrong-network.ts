/** The database belongs to another Stellar network; nothing was changed. */
export class WrongNetwork extends Error {
  override readonly name = 'WrongNetwork';
  constructor(found: string, wanted: string) {
    super(
      `This database settles the network "${found}", not "${wanted}". ` +
        'Use another database, or set NETWORK_PASSPHRASE to the network it belongs to.',
    );
  }
}
