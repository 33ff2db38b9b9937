#!/bin/bash
# Makes the seeds of fuzz_check and fuzz_crl with openssl. Run again only to add some: keys and dates differ each time.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# certificate NAME EXTENSIONS [openssl options…]: self-signed, into fuzz_check/NAME.der
certificate() {
  local name=$1 extensions=$2
  shift 2
  printf '[req]\ndistinguished_name=d\n[d]\n[x]\n%b' "$extensions" >"$work/$name.cnf"
  openssl req -x509 -config "$work/$name.cnf" -extensions x -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout "$work/$name.key" -subj "/C=CH/O=Example/CN=www.example.com" -outform DER -out "fuzz_check/$name.der" "$@" \
    2>/dev/null
}
certificate server 'subjectAltName=DNS:www.example.com\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=critical,digitalSignature,keyEncipherment\n'
certificate powers 'extendedKeyUsage=OCSPSigning,anyExtendedKeyUsage,codeSigning,timeStamping,1.2.3.4\nkeyUsage=cRLSign\ntlsfeature=status_request\nnoCheck=yes\n1.2.3.5=critical,DER:0500\n'
certificate authority 'basicConstraints=CA:TRUE,pathlen:0\nkeyUsage=keyCertSign\nnameConstraints=permitted;DNS:example.com,excluded;IP:192.0.2.0/255.255.255.0\ncertificatePolicies=1.2.3.4\n' -days 36500
certificate names 'subjectAltName=DNS:WWW.example.com,IP:192.0.2.1,email:Ops@Example.com,URI:HTTPS://Example.com/X,RID:1.2.3,otherName:1.2.3;UTF8:a,dirName:n\n1.3.6.1.4.1.311.21.10=DER:300c300a06082b06010505070303\n2.16.840.1.113730.1.1=DER:03020204\n[n]\nCN=a\n'
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/one.key" -subj /CN=a 2>/dev/null |
  openssl x509 -req -signkey "$work/one.key" -outform DER -out fuzz_check/version-1.der 2>/dev/null

# revocation lists of an authority: empty, and with entries that carry reasons and an invalidity date
printf '[ca]\ndefault_ca=c\n[c]\ndatabase=%s/index\ncrlnumber=%s/number\ndefault_md=sha256\ndefault_crl_days=30\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n' \
  "$work" "$work" >"$work/ca.cnf"
: >"$work/index"
echo 0FFF >"$work/number"
openssl x509 -inform DER -in fuzz_check/authority.der -out "$work/authority.pem"
crl() {
  openssl ca -config "$work/ca.cnf" -gencrl -keyfile "$work/authority.key" -cert "$work/authority.pem" "${@:2}" \
    2>/dev/null | openssl crl -outform DER -out "fuzz_crl/$1.der"
}
crl empty
printf 'R\t400101000000Z\t260101000000Z,keyCompromise\t0ABC\tunknown\t/CN=a\nR\t400101000000Z\t260101000000Z,holdInstruction,holdInstructionReject\t0ABD\tunknown\t/CN=b\nR\t400101000000Z\t260101000000Z\t7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\tunknown\t/CN=c\n' \
  >"$work/index"
crl revoked
# Of a shard.
printf 'issuingDistributionPoint=critical,@i\n[i]\nfullname=URI:http://ca.example.com/1.crl\n' >>"$work/ca.cnf"
crl shard
openssl asn1parse -inform DER -in fuzz_crl/revoked.der -strparse 4 -noout -out fuzz_crl/tbs.der
