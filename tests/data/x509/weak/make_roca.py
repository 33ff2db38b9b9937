#!/usr/bin/env python3
# Makes roca.csr: an RSA-2048 key with the structure of CVE-2017-15361 (Nemec et al., CCS 2017, section 2: p = k * M +
# (65537^a mod M), M the product of the first 126 primes), and a CSR that it signed. Needs openssl. The private key stays in
# roca.key and is not kept.
import random, subprocess


def is_prime(n, rounds=24):
    d, s = n - 1, 0
    while d % 2 == 0:
        d, s = d // 2, s + 1
    for _ in range(rounds):
        x = pow(random.randrange(2, n - 1), d, n)
        if x in (1, n - 1):
            continue
        for _ in range(s - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


primes, candidate = [], 2
while len(primes) < 126:
    if all(candidate % p for p in primes):
        primes.append(candidate)
    candidate += 1
M = 1
for p in primes:
    M *= p


def roca_prime():
    low, high = (3 << 1022) // M + 1, (1 << 1024) // M - 1
    while True:
        p = random.randrange(low, high) * M + pow(65537, random.randrange(M), M)
        if p % 65537 != 1 and is_prime(p):
            return p


p, q = roca_prime(), roca_prime()
n, e = p * q, 65537
d = pow(e, -1, (p - 1) * (q - 1))
numbers = [0, n, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)]
with open("roca.cnf", "w") as file:
    file.write("asn1=SEQUENCE:key\n[key]\n" + "".join(f"n{i}=INTEGER:0x{x:x}\n" for i, x in enumerate(numbers)))
run = lambda *words: subprocess.run(words, check=True)
run("openssl", "asn1parse", "-genconf", "roca.cnf", "-out", "roca.der", "-noout")
run("openssl", "rsa", "-inform", "DER", "-in", "roca.der", "-out", "roca.key")
run("openssl", "req", "-new", "-key", "roca.key", "-subj", "/CN=roca.example.com", "-addext",
    "subjectAltName=DNS:roca.example.com", "-out", "roca.csr")
