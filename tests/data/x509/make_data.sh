#!/bin/sh
# Makes the files of this folder with openssl and certtool: other people's programs, as a second opinion. Run it in an empty
# folder; private keys stay there and are not kept.
set -eu
cat > ca.cnf <<'CNF'
[ca]
default_ca = it
[it]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = root.pem
private_key = root.key
default_md = sha256
default_days = 3650
default_crl_days = 30
policy = any
copy_extensions = copy
x509_extensions = leaf
crl_extensions = crl
unique_subject = no
[any]
commonName = optional
[leaf]
basicConstraints = CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[crl]
authorityKeyIdentifier = keyid
[req]
distinguished_name = dn
string_mask = default
[dn]
[everything]
basicConstraints = critical, CA:TRUE, pathlen:2
keyUsage = critical, keyCertSign, cRLSign, decipherOnly, keyAgreement
extendedKeyUsage = serverAuth, codeSigning, 1.2.3.4
subjectAltName = @names
nameConstraints = critical, permitted;DNS:.example.com, excluded;IP:10.0.0.0/255.0.0.0
certificatePolicies = 2.5.29.32.0, @policy
tlsfeature = status_request
subjectKeyIdentifier = hash
1.3.6.1.4.1.55555.7 = critical, ASN1:UTF8String:hello
[names]
DNS.1 = www.example.com
IP.1 = 192.0.2.7
IP.2 = 2001:db8::7
email.1 = ops@example.com
URI.1 = urn:example:7
RID.1 = 1.2.3.4
otherName.1 = 1.3.6.1.4.1.311.20.2.3;UTF8:user@example.com
otherName.2 = 1.2.3.4;BMPSTRING:text
dirName.1 = directory
[directory]
C = CH
O = Example
[policy]
policyIdentifier = 1.3.6.1.4.1.55555.9
CPS.1 = https://example.com/cps
userNotice.1 = @notice
[notice]
explicitText = Only for tests
organization = Example
noticeNumbers = 1, 2
CNF
: > index.txt; echo 1000 > serial; echo 2A > crlnumber
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.pem -days 7300 \
  -config ca.cnf -subj '/C=CH/O=Example/CN=Root' -addext 'basicConstraints=critical,CA:TRUE' \
  -addext 'keyUsage=critical,keyCertSign,cRLSign'
for name in one two; do
  openssl req -new -newkey ed25519 -nodes -keyout $name.key -out $name.csr -config ca.cnf -subj "/CN=$name.example.com" \
    -addext "subjectAltName=DNS:$name.example.com"
  openssl ca -batch -config ca.cnf -in $name.csr -out $name.pem -notext
done
openssl ca -config ca.cnf -revoke one.pem -crl_reason keyCompromise
openssl ca -config ca.cnf -revoke two.pem
openssl ca -config ca.cnf -gencrl -out crl.pem
# Every extension, a multi-valued and non-ASCII subject, string types chosen by openssl (BMPString, T61String, …).
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout everything.key -out everything.csr \
  -config ca.cnf -reqexts everything -utf8 -multivalue-rdn -subj '/C=CH/O=Zürich+OU=Łódź/CN=www.example.com'
openssl req -new -newkey rsa:8192 -nodes -keyout rsa8192.key -out rsa8192.csr -config ca.cnf -subj '/CN=rsa8192' \
  -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -sha512
# GnuTLS writes NEW CERTIFICATE REQUEST and text before the block.
certtool --generate-privkey --key-type ecdsa --curve secp521r1 --outfile gnutls.key
printf 'cn = www.example.com\ndns_name = www.example.com\nip_address = 192.0.2.1\ntls_www_server\nchallenge_password = 123456\n' > gnutls.template
certtool --generate-request --load-privkey gnutls.key --template gnutls.template --outfile gnutls.csr
rm -f *.key *.cnf *.template index.txt* serial* crlnumber* 1000.pem 1001.pem one.csr two.csr
