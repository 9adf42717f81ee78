/** A key that nobody uses: 32 bytes that count upwards. */
export const samplePrivateKey = Buffer.from(Array.from({ length: 32 }, (_, index) => index + 1)).toString(
  'base64',
);

const samplePublicKey = Buffer.from(Array.from({ length: 32 }, (_, index) => 200 - index)).toString('base64');

/** A wg-quick file that is good. */
export const sampleConf = `[Interface]
PrivateKey = ${samplePrivateKey}
Address = 10.8.0.2/24, fd00:8::2/64
DNS = 10.8.0.1

[Peer]
PublicKey = ${samplePublicKey}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = vpn.example.com:51820
`;
