/** A key pair and a certificate for it. */
export type Identity = { privateKey: CryptoKey; spki: Uint8Array }

type Issue = { name: string; spki: Uint8Array; from: Date; to: Date; by: Identity }

/** An X.509 certificate (RFC 5280) in PEM: one name, a validity, a key, signed by an RSA key with SHA-256. */
export async function certify({ name, spki, from, to, by }: Issue): Promise<string> {
  const algorithm = sequence(oid('2a864886f70d01010b'), tlv(0x05))
  const named = (text: string) => sequence(tlv(0x31, sequence(oid('550403'), tlv(0x0c, utf8(text)))))
  const altNames = sequence(oid('551d11'), tlv(0x04, sequence(tlv(0x82, utf8(name)))))
  const body = sequence(
    tlv(0xa0, tlv(0x02, [2])),
    tlv(
      0x02,
      crypto.getRandomValues(new Uint8Array(8)).map((byte, at) => (at ? byte : byte & 0x7f) || 1),
    ),
    algorithm,
    named('Moltpost test authority'),
    sequence(time(from), time(to)),
    named(name),
    spki,
    tlv(0xa3, sequence(altNames)),
  )
  const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', by.privateKey, body)
  const certificate = sequence(body, algorithm, tlv(0x03, [0], new Uint8Array(signature)))
  const lines =
    Buffer.from(certificate)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

/** An ECDSA signature of WebCrypto (r and s concatenated) in the DER form that other libraries use. */
export function derSignature(raw: ArrayBuffer | Uint8Array, integer = positive): Uint8Array {
  const bytes = new Uint8Array(raw)
  const half = bytes.length / 2
  return sequence(tlv(0x02, integer(bytes.subarray(0, half))), tlv(0x02, integer(bytes.subarray(half))))
}

function positive(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0)
  const short = first < 0 ? Uint8Array.of(0) : bytes.subarray(first)
  return (short[0] ?? 0) > 127 ? Uint8Array.of(0, ...short) : short
}

type Bytes = Iterable<number>

function tlv(tag: number, ...parts: Bytes[]): Uint8Array {
  const content = Uint8Array.from(parts.flatMap((part) => [...part]))
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Uint8Array.of(tag, ...size, ...content)
}

const sequence = (...parts: Bytes[]) => tlv(0x30, ...parts)
const oid = (hex: string) => tlv(0x06, Buffer.from(hex, 'hex'))
const utf8 = (text: string) => new TextEncoder().encode(text)
const time = (at: Date) =>
  tlv(
    0x17,
    utf8(
      `${at
        .toISOString()
        .replace(/[-:T]|\.\d+/g, '')
        .slice(2)}`,
    ),
  )
