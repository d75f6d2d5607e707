import type { RecordType } from './doh.ts'

/** The host of the service in these tests. */
export const HOME = { PUBLIC_URL: 'https://api.moltpost.dev', MAIL_DOMAIN: 'agents.moltpost.dev' }

/** One IPv4 address of each class that is not public, and some addresses of cloud metadata services. */
const PRIVATE = (
  '127.0.0.1 0.0.0.0 10.1.2.3 100.100.200.200 169.254.169.254 172.16.5.4 192.0.0.192 192.0.2.2 192.31.196.1 ' +
  '192.52.193.1 192.88.99.1 192.168.1.1 192.175.48.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 240.0.0.1 ' +
  '255.255.255.255 168.63.129.16'
).split(' ')

const PRIVATE_IPV6 = (
  ':: ::1 ::2 100::1 100:0:0:1::1 2001::1 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:db8::1 ' +
  '2620:4f:8000::1 3fff::1 4000::1 5f00::1 fc00::1 fd00::2 fd00:ec2::254 fe80::1 fec0::1 ff02::1 64:ff9b::808:808'
).split(' ')

/** The ways to write an IPv4 address that a URL parser accepts, and IPv6 addresses that contain it. */
const SPELLINGS: ((octets: number[]) => string)[] = [
  (octets) => octets.join('.'),
  (octets) => `${octets.join('.')}.`,
  (octets) => `${number(octets)}`,
  (octets) => `0x${number(octets).toString(16)}`,
  (octets) => `0${number(octets).toString(8)}`,
  (octets) => octets.map((octet) => `0x${octet.toString(16).toUpperCase()}`).join('.'),
  (octets) => octets.map((octet) => `0${octet.toString(8).padStart(3, '0')}`).join('.'),
  ([first = 0, ...rest]) => `${first}.${number(rest)}`,
  ([first = 0, second = 0, ...rest]) => `0${first.toString(8)}.${second}.${number(rest)}`,
  (octets) => octets.join('。'),
  (octets) => octets.join('%E3%80%82'),
  (octets) => octets.join('.').replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
  (octets) => octets.join('｡').replace(/\d/g, (digit) => '⓪①②③④⑤⑥⑦⑧⑨'[Number(digit)] ?? ''),
  (octets) => octets.join('.').replace(/./g, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  (octets) => `[::ffff:${octets.join('.')}]`,
  (octets) => `[0:0:0:0:0:FFFF:${groups(octets)}]`,
  (octets) => `[::${octets.join('.')}]`,
  (octets) => `[::ffff:0:${groups(octets)}]`,
  (octets) => `[64:ff9b::${octets.join('.')}]`,
  (octets) => `[64:ff9b:1::${groups(octets)}]`,
  (octets) => `[2002:${groups(octets)}::1]`,
  (octets) => `[2001:0:808:808::${groups(octets.map((octet) => octet ^ 255))}]`,
]

const number = (octets: number[]) => octets.reduce((sum, octet) => sum * 256 + octet, 0)
const groups = ([a = 0, b = 0, c = 0, d = 0]: number[]) =>
  `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`

/** URLs that no webhook may have. `rule` is a part of the message that refuses them. */
export const hostileUrls: { rule: string; urls: string[] }[] = [
  {
    rule: 'an address that is not public',
    urls: [
      ...PRIVATE.flatMap((address) =>
        SPELLINGS.map((spell) => `https://${spell(address.split('.').map(Number))}/hook`),
      ),
      ...PRIVATE_IPV6.map((address) => `https://[${address}]/hook`),
      ...['https://127.1/', 'https://0/', 'https://0x7f.1/', 'https:127.0.0.1', 'https:/127.0.0.1/hook'],
      ...[
        'https://127.0.0.1:443/',
        'https://[::1]:8443/',
        'https://[0:0:0:0:0:0:0:1]/',
        'HTTPS://127.0.0.1/#',
      ],
      ...['https://127.0.0.1?@example.com/', 'https://127.0.0.1#@example.com/', 'https:////127.0.0.1//x'],
    ],
  },
  {
    rule: 'a host that is not public',
    urls: (
      'localhost LOCALHOST ｌocalhost loc%61lhost ⓛocalhost hooks.localhost a.b.localhost printer.local router.lan ' +
      'db.internal ip-10-0-0-1.ec2.internal metadata.google.internal METADATA.GOOGLE.internal instance-data.ec2.internal ' +
      'metadata.azure.internal metadata.tencentyun.com metadata.platformequinix.com api.default.svc.cluster.local ' +
      'nas.home.arpa 1.0.0.127.in-addr.arpa ipv4only.arpa abc.onion hook.test hook.invalid hook.example name.alt ' +
      'wiki.corp tv.home exchange.mail host.docker.internal localhost.localdomain wiki.intranet db.private 127.0.0.1.local'
    )
      .split(' ')
      .map((host) => `https://${host}/hook`),
  },
  {
    rule: 'ends in a dot',
    urls: (
      'localhost. metadata.google.internal. example.com. hooks.example.com%2e hooks.example.com。 example.com.. ' +
      'kubernetes.default.svc. a.localhost.'
    )
      .split(' ')
      .map((host) => `https://${host}/hook`),
  },
  {
    rule: 'in full',
    urls: 'metadata kubernetes intranet-host redis com ai xn--p1ai'
      .split(' ')
      .map((host) => `https://${host}/`),
  },
  {
    rule: 'a valid host',
    urls: [
      ...[
        'https://a..example.com/',
        'https://.example.com/',
        'https://-a.example.com/',
        'https://a-.example.com/',
      ],
      ...[
        'https://*.example.com/',
        'https://a,b.example.com/',
        'https://$(id).example.com/',
        "https://a'b.dev/",
      ],
      `https://${'a'.repeat(64)}.example.com/`,
      `https://${'abc.'.repeat(70)}com/`,
    ],
  },
  {
    rule: 'back to this service',
    urls: (
      'api.moltpost.dev API.Moltpost.dev api.moltpost.dev:8443 v2.api.moltpost.dev agents.moltpost.dev ' +
      'scout.agents.moltpost.dev api%2emoltpost.dev'
    )
      .split(' ')
      .map((host) => `https://${host}/v1/agent/request-send`),
  },
  {
    rule: 'user name or password',
    urls: [
      ...['https://user@example.com/', 'https://user:secret@example.com/', 'https://:secret@example.com/'],
      ...['https://example.com@127.0.0.1/', 'https://127.0.0.1@example.com/', 'https://a%40b:c@example.com/'],
      ...['https://example.com:443@127.0.0.1:8443/', 'https://user@localhost/'],
    ],
  },
  {
    rule: 'port 443 or 8443',
    urls: [22, 25, 53, 80, 1, 8080, 3306, 5432, 6379, 8444, 9200, 11211, 65535]
      .map((port) => `https://example.com:${port}/`)
      .concat('https://127.0.0.1:6379/', 'https://[::1]:80/', 'https://localhost:8787/'),
  },
  {
    rule: 'begin with https',
    urls: [
      ...[
        'http://example.com/',
        'HTTP://example.com:443/',
        'ftp://example.com/',
        'file:///etc/passwd',
        'data:,x',
      ],
      ...['ws://example.com/', 'wss://example.com/', 'gopher://127.0.0.1:6379/_x', 'javascript:alert(1)'],
      ...['http://127.0.0.1/', 'http://[::1]:8080/', 'blob:https://example.com/1', 'mailto:a@example.com'],
      ...[
        'unix:/var/run/docker.sock',
        'ldap://example.com/',
        'dict://example.com:11211/',
        'httpss://example.com/',
      ],
    ],
  },
  {
    rule: 'control characters',
    urls: [
      ...[
        'https://example.com/\r\nHost:%20x',
        'https://exam\tple.com/',
        '\thttps://example.com/',
        'https://a.dev/\0',
      ],
      ...[
        'https://example.com\\@127.0.0.1/',
        'https:\\\\127.0.0.1\\',
        'https://example.com/a b',
        ' https://a.dev/',
      ],
      ...['https://127.0.0.1\n.example.com/', 'https://example.com/\u0085', 'https://example.com/\u2028x'],
    ],
  },
  {
    rule: 'valid URL',
    urls: [
      ...[
        '',
        'x',
        'example.com',
        '//example.com/',
        '/hook',
        'https://',
        'https:///',
        'https://%00.example.com/',
      ],
      ...[
        'https://[::1',
        'https://[::1%25lo]/',
        'https://[fe80::1%eth0]/',
        'https://256.0.0.1/',
        'https://1.2.3.4.5/',
      ],
      ...[
        'https://0x100000000/',
        'https://127.0.0.256/',
        'https://exa<mple.com/',
        'https://example.com:65536/',
      ],
      ...[
        'https://example.com:port/',
        'https://[127.0.0.1]/',
        'https://[::ffff:127.0.0.1.5]/',
        'https://a^b.dev/',
      ],
    ],
  },
  {
    rule: 'longer than',
    urls: [`https://example.com/${'a'.repeat(1_981)}`, `https://127.0.0.1/${'a'.repeat(100_000)}`],
  },
]

const PUBLIC = ['A 93.184.215.14', 'AAAA 2606:2800:21f:cb07:6820:80da:af6b:8b2c']

/** A zone that gives the hosts of hostile URLs public addresses, so that only the text of the URL can refuse them. */
export const deceptiveZone = Object.fromEntries(
  hostileUrls
    .flatMap(({ urls }) => urls)
    .filter((url) => URL.canParse(url))
    .map((url) => [new URL(url).hostname.replace(/\.+$/, ''), PUBLIC]),
)

/** Names that look harmless, but resolve to something that must not be called. */
export const hostileZone: Record<string, string[] | ((type: RecordType) => string[])> = {
  ...Object.fromEntries(PRIVATE.map((address, index) => [`a${index}.rebind.dev`, [`A ${address}`]])),
  ...Object.fromEntries(PRIVATE_IPV6.map((address, index) => [`b${index}.rebind.dev`, [`AAAA ${address}`]])),
  ...Object.fromEntries(
    ['::ffff:7f00:1', '::7f00:1', '64:ff9b::7f00:1', '2002:7f00:1::', '2001:0:808:808::80ff:fffe'].map(
      (address, index) => [`c${index}.rebind.dev`, ['A 93.184.215.14', `AAAA ${address}`]],
    ),
  ),
  'mixed.rebind.dev': ['A 93.184.215.14', 'A 127.0.0.1'],
  'mixed-first.rebind.dev': ['A 127.0.0.1', 'A 93.184.215.14'],
  'mixed-families.rebind.dev': ['A 93.184.215.14', 'AAAA ::1'],
  'mixed-last.rebind.dev': [
    ...Array.from({ length: 40 }, (_, index) => `A 93.184.215.${index}`),
    'A 10.0.0.1',
  ],
  'alias.rebind.dev': ['CNAME alias-2.rebind.dev'],
  'alias-2.rebind.dev': ['CNAME alias-3.rebind.dev'],
  'alias-3.rebind.dev': ['A 169.254.169.254'],
  'alias-v6.rebind.dev': ['CNAME b1.rebind.dev'],
  'alias-localhost.rebind.dev': ['CNAME localhost.rebind.dev'],
  'localhost.rebind.dev': ['A 127.0.0.1', 'AAAA ::1'],
  'alias-nowhere.rebind.dev': ['CNAME gone.rebind.dev'],
  'alias-loop.rebind.dev': ['CNAME alias-loop-2.rebind.dev'],
  'alias-loop-2.rebind.dev': ['CNAME alias-loop.rebind.dev'],
  'alias-to-self.rebind.dev': ['CNAME alias-to-self.rebind.dev'],
  'empty.rebind.dev': [],
  'absent.rebind.dev': ['RCODE 3'],
  'broken.rebind.dev': ['RCODE 2'],
  'refused.rebind.dev': ['RCODE 5'],
  'half-broken.rebind.dev': (type) => (type === 'A' ? PUBLIC : ['RCODE 2']),
  'half-broken-4.rebind.dev': (type) => (type === 'AAAA' ? PUBLIC : ['RCODE 2']),
  'broken-and-public.rebind.dev': [...PUBLIC, 'RCODE 2'],
  'private-and-broken.rebind.dev': (type) => (type === 'A' ? ['A 10.0.0.1'] : ['RCODE 2']),
  'hangs.rebind.dev': ['HANG'],
}

/** Names that are public when a webhook is created, and not when it is called. */
export const turningNames = Object.fromEntries(
  [
    ...PRIVATE.map((address) => [`A ${address}`]),
    ...['AAAA ::1', 'AAAA fd00::2', 'AAAA ::ffff:7f00:1', 'CNAME alias.rebind.dev'].map((line) => [line]),
    ['A 93.184.215.14', 'A 127.0.0.1'],
    ['RCODE 2'],
    ['RCODE 3'],
    [],
  ].map((after, index) => [`turn${index}.rebind.dev`, { before: PUBLIC, after }]),
)

/** Ordinary webhook URLs, which must be accepted. */
export const ordinaryUrls = `
  https://hooks.zapier.com/hooks/catch/1234567/abcdefg/ https://hooks.slack.com/services/T000/B000/XXXXXXXX
  https://discord.com/api/webhooks/123456789/abc-DEF_ghi https://hook.eu1.make.com/a1b2c3d4e5f6g7
  https://acme.app.n8n.cloud/webhook/5d8e8e6e-9d5b-4c1e https://eo1abc.m.pipedream.net https://webhook.site/0f3c-44
  https://agent.acme.workers.dev/inbox https://acme.vercel.app/api/hooks/mail https://acme.netlify.app/.netlify/functions/mail
  https://acme.fly.dev/webhooks https://acme.herokuapp.com/webhooks/email https://acme.onrender.com/hook
  https://acme.up.railway.app/hook https://a1b2-203-0-113-7.ngrok-free.app/hook https://big-red-fox.trycloudflare.com/hook
  https://acme.azurewebsites.net/api/Mail?code=abc== https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/prod/mail
  https://abcdefghijklmnop.lambda-url.eu-west-1.on.aws/ https://us-central1-acme-12345.cloudfunctions.net/mail
  https://mail-abcdefgh-uc.a.run.app/ https://abcdefgh.supabase.co/functions/v1/mail https://api.github.com/repos/a/b/dispatches
  https://example.com/ https://example.com https://www.example.org/hook https://hooks.example.net:8443/mail
  https://example.com:443/explicit HTTPS://EXAMPLE.COM/UPPER https://Acme.Example.com/Mixed https://bücher.de/haken
  https://xn--bcher-kva.de/haken https://пример.рф/hook https://例え.jp/hook https://straße.de/ https://acme.ai/agents/42/mail
  https://acme.co.uk/webhooks/in https://acme.com.br/webhook https://internal.example.com/hook https://local.acme.io/hook
  https://localhost.acme.io/hook https://metadata.acme.io/hook https://test.acme.io/hook https://mail.acme.io/hook
  https://home.acme.io/arpa https://127-0-0-1.acme.io/hook https://10.acme.io/hook https://1password.com/hook
  https://7-eleven.com/hook https://123.456.acme.io/hook https://_hooks.acme.io/hook https://a_b.acme.io/hook
  https://a.b.c.d.e.f.g.h.acme.io/hook https://acme.io/hook?url=http://127.0.0.1/&u=a@b.example#fragment
  https://acme.io/@scope/pkg:run https://acme.io/%E2%9C%93/%2e%2e/x https://acme.io/hook?token=a+b%20c&x[]=1
  https://acme.io/path;v=1,2/(x)/!$&'*+=~ https://acme.io/?redirect=//localhost https://x.y.museum/hook
  https://acme.technology/hook https://8.8.8.8/dns https://1.1.1.1:8443/hook https://[2606:4700:4700::1111]/hook
  https://acme.io/${'long/'.repeat(380)}
`
  .trim()
  .split(/\s+/)

/** A zone in which every ordinary host has a public address of each family. */
export const ordinaryZone = Object.fromEntries(ordinaryUrls.map((url) => [new URL(url).hostname, PUBLIC]))
