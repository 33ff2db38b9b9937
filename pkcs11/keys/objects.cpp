#include "pkcs11/keys/objects.h"

#include <algorithm>
#include <cstring>

namespace hsmbridge::pkcs11 {
namespace {

constexpr CK_ULONG kSearchBatch = 512;
constexpr std::size_t kUsualSize = 1100;  // a modulus of 8192 bits and whatever surrounds it

bool shows_nothing(CK_RV rv) {
  return rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID;
}

// p11-kit 0.24's client cannot carry CKA_ALLOWED_MECHANISMS and answers CKR_DEVICE_ERROR.
bool cannot_carry(CK_RV rv, CK_ATTRIBUTE_TYPE type) {
  return rv == CKR_DEVICE_ERROR && (type & CKF_ARRAY_ATTRIBUTE) != 0;
}

}  // namespace

Template& Template::add(CK_ATTRIBUTE_TYPE type, Bytes value) {
  Bytes& kept = storage_.emplace_back(std::move(value));
  attributes_.push_back({type, kept.data(), kept.size()});
  return *this;
}

Template& Template::text(CK_ATTRIBUTE_TYPE type, std::string_view value) {
  return add(type, to_bytes(value));
}

Template& Template::number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  return add(type, number_octets(value));
}

Template& Template::flag(CK_ATTRIBUTE_TYPE type, CK_BBOOL value) {
  return add(type, Bytes{value});
}

Bytes number_octets(CK_ULONG value) {
  Bytes octets(sizeof value);
  std::memcpy(octets.data(), &value, sizeof value);
  return octets;
}

std::optional<CK_ULONG> number_of(ByteView value) {
  CK_ULONG number = 0;
  if (value.size() != sizeof number) return std::nullopt;
  std::memcpy(&number, value.data(), sizeof number);
  return number;
}

std::optional<bool> flag_of(ByteView value) {
  if (value.size() != sizeof(CK_BBOOL)) return std::nullopt;
  return value[0] != CK_FALSE;
}

ObjectSearch::ObjectSearch(const Session& session, Template& match) : session_(session) {
  session_.check(session_.functions().C_FindObjectsInit(session_.handle(), match.data(), match.size()),
                 "C_FindObjectsInit", "search the token");
}

ObjectSearch::~ObjectSearch() {
  session_.functions().C_FindObjectsFinal(session_.handle());
}

void ObjectSearch::fetch() {
  batch_.resize(kSearchBatch);
  CK_ULONG count = 0;
  session_.check(session_.functions().C_FindObjects(session_.handle(), batch_.data(), kSearchBatch, &count),
                 "C_FindObjects", "search the token");
  batch_.resize(std::min(count, kSearchBatch));
  at_ = 0;
}

std::optional<CK_OBJECT_HANDLE> ObjectSearch::next() {
  if (at_ == batch_.size()) fetch();
  if (at_ == batch_.size()) return std::nullopt;
  return batch_[at_++];
}

std::vector<CK_OBJECT_HANDLE> find_objects(const Session& session, Template match) {
  ObjectSearch search(session, match);
  std::vector<CK_OBJECT_HANDLE> found;
  while (const auto handle = search.next()) found.push_back(*handle);
  return found;
}

std::optional<Bytes> read_attribute(const Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  // The size is asked first, and again when it was not enough.
  for (int round = 0;; ++round) {
    CK_ATTRIBUTE attribute{type, nullptr, 0};
    CK_RV rv = session.functions().C_GetAttributeValue(session.handle(), object, &attribute, 1);
    if (shows_nothing(rv) || cannot_carry(rv, type)) return std::nullopt;
    if (rv != CKR_BUFFER_TOO_SMALL) session.check(rv, "C_GetAttributeValue", "read an object");
    if (rv == CKR_OK && attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION) return std::nullopt;
    Bytes value(rv == CKR_OK ? attribute.ulValueLen : kUsualSize);
    if (value.empty()) return value;
    attribute.pValue = value.data();
    attribute.ulValueLen = value.size();
    rv = session.functions().C_GetAttributeValue(session.handle(), object, &attribute, 1);
    if (shows_nothing(rv) || cannot_carry(rv, type)) return std::nullopt;
    if (rv == CKR_BUFFER_TOO_SMALL && round < 2) continue;
    session.check(rv, "C_GetAttributeValue", "read an object");
    if (attribute.ulValueLen > value.size()) return std::nullopt;
    value.resize(attribute.ulValueLen);
    return value;
  }
}

bool is_gone(const Session& session, const TokenFailure& failure) {
  return failure.code() == CKR_OBJECT_HANDLE_INVALID && session.is_last_try();
}

std::optional<std::vector<std::optional<Bytes>>> read_if_there(const Session& session, CK_OBJECT_HANDLE object,
                                                               std::span<const CK_ATTRIBUTE_TYPE> types) {
  try {
    return read_attributes(session, object, types);
  } catch (const TokenFailure& failure) {
    if (!is_gone(session, failure)) throw;
    return std::nullopt;
  }
}

std::vector<std::optional<Bytes>> read_attributes(const Session& session, CK_OBJECT_HANDLE object,
                                                  std::span<const CK_ATTRIBUTE_TYPE> types) {
  std::vector<Bytes> room(types.size(), Bytes(kUsualSize));
  std::vector<CK_ATTRIBUTE> wanted;
  for (std::size_t i = 0; i < types.size(); ++i) wanted.push_back({types[i], room[i].data(), room[i].size()});
  const CK_RV rv = session.functions().C_GetAttributeValue(session.handle(), object, wanted.data(), wanted.size());
  std::vector<std::optional<Bytes>> values(types.size());
  if (rv == CKR_OK) {
    for (std::size_t i = 0; i < types.size(); ++i) {
      if (wanted[i].ulValueLen > room[i].size()) continue;
      room[i].resize(wanted[i].ulValueLen);
      values[i] = std::move(room[i]);
    }
    return values;
  }
  if (!shows_nothing(rv) && rv != CKR_BUFFER_TOO_SMALL) session.check(rv, "C_GetAttributeValue", "read an object");
  // One by one: PKCS#11 v2.40 §5.7 wants the others filled in here, and not every module does that.
  for (std::size_t i = 0; i < types.size(); ++i) values[i] = read_attribute(session, object, types[i]);
  return values;
}

}  // namespace hsmbridge::pkcs11
