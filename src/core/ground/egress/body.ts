/** The first octets of a body, at most `atMost`. The rest is cancelled without being read. */
export async function readStart(response: Response, atMost: number): Promise<Uint8Array> {
  const octets = new Uint8Array(atMost)
  const reader = response.body?.getReader({ mode: 'byob' })
  let length = 0
  while (reader && length < atMost) {
    const { done, value } = await reader.read(new Uint8Array(atMost - length))
    if (done) break
    octets.set(value, length)
    length += value.byteLength
  }
  void reader?.cancel().catch(() => {})
  return octets.subarray(0, length)
}
