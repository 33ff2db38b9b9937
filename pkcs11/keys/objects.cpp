#include "pkcs11/keys/objects.h"

#include "pkcs11/keys/attribute_table.h"

#include <algorithm>
#include <cstring>

namespace hsmbridge::pkcs11 {
namespace {

constexpr CK_ULONG kSearchBatch = 512;
constexpr CK_ULONG kFewest = 10;

// What a value needs at most, mostly: more than any flag or number has, so that a length that was left as it was can be
// told; a public key of 16384 bits; a certificate.
std::size_t room_for(CK_ATTRIBUTE_TYPE type) {
  constexpr std::size_t kNumber = 2 * sizeof(CK_ULONG);
  constexpr std::size_t kText = 2304;
  constexpr std::size_t kCertificate = 4096;
  if (type == CKA_VALUE) return kCertificate;
  const AttributeRow* const row = attribute_row(type);
  if (row == nullptr) return kText;
  switch (row->form) {
    case AttributeForm::flag:
    case AttributeForm::number:
    case AttributeForm::object_class:
    case AttributeForm::key_type:
    case AttributeForm::mechanism:
      return kNumber;
    default:
      return kText;
  }
}

// What no flag is and no number consists of: a value that nobody wrote must not be read as false.
constexpr unsigned char kUntouched = 0xA5;

// On which a key may be used or destroyed. CKA_ALWAYS_AUTHENTICATE only says that a signature will want a login.
bool is_of_contract(CK_ATTRIBUTE_TYPE type) {
  const AttributeRow* const row = attribute_row(type);
  return row != nullptr && row->form == AttributeForm::flag && type != CKA_ALWAYS_AUTHENTICATE;
}

// Whether an answer may mean one of several attributes, and not the session, the login, the token or the object.
bool is_about_attributes(CK_RV rv) {
  const Recovery recovery = return_code(rv).recovery;
  return (recovery == Recovery::give_up || recovery == Recovery::smaller_template) && rv != CKR_OBJECT_HANDLE_INVALID &&
         rv != CKR_DEVICE_REMOVED && rv != CKR_TOKEN_NOT_PRESENT;
}

// Not shown means not understood: asked for alone before it is believed.
bool every_object_has(CK_ATTRIBUTE_TYPE type) {
  return type == CKA_CLASS || type == CKA_LABEL || type == CKA_ID;
}

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
  // PKCS#11 v2.40 §5.7: no more when there are none. A module may give pages of any size; but fewer than ten end every
  // search of NSS, which asks for as many at a time, so no module gives them while it has more.
  ended_ = count < kFewest;
}

std::optional<CK_OBJECT_HANDLE> ObjectSearch::next() {
  if (at_ == batch_.size() && !ended_) fetch();
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
  // With room for the usual value, and again with as much as the token says where that was not enough.
  Bytes value(room_for(type));
  for (int round = 0;; ++round) {
    CK_ATTRIBUTE attribute{type, value.data(), value.size()};
    CK_RV rv = session.functions().C_GetAttributeValue(session.handle(), object, &attribute, 1);
    if (shows_nothing(rv) || cannot_carry(rv, type)) return std::nullopt;
    const bool too_long =
        rv == CKR_OK && attribute.ulValueLen > value.size() && attribute.ulValueLen != CK_UNAVAILABLE_INFORMATION;
    if ((rv == CKR_BUFFER_TOO_SMALL || too_long) && round < 3) {
      attribute = {type, nullptr, 0};
      rv = session.functions().C_GetAttributeValue(session.handle(), object, &attribute, 1);
      if (shows_nothing(rv) || cannot_carry(rv, type)) return std::nullopt;
      session.check(rv, "C_GetAttributeValue", "read an object");
      if (attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION) return std::nullopt;
      value.resize(std::max<std::size_t>(attribute.ulValueLen, 1));
      continue;
    }
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

namespace {

std::vector<std::optional<Bytes>> read_each(const Session& session, CK_OBJECT_HANDLE object,
                                            std::span<const CK_ATTRIBUTE_TYPE> types) {
  std::vector<std::optional<Bytes>> values;
  for (const CK_ATTRIBUTE_TYPE type : types) values.push_back(read_attribute(session, object, type));
  return values;
}

}  // namespace

std::vector<std::optional<Bytes>> read_attributes(const Session& session, CK_OBJECT_HANDLE object,
                                                  std::span<const CK_ATTRIBUTE_TYPE> types) {
  std::vector<Bytes> room;
  std::vector<CK_ATTRIBUTE> wanted;
  for (const CK_ATTRIBUTE_TYPE type : types) {
    room.emplace_back(room_for(type), kUntouched);
    wanted.push_back({type, room.back().data(), room.back().size()});
  }
  const CK_RV rv = session.functions().C_GetAttributeValue(session.handle(), object, wanted.data(), wanted.size());
  if (rv != CKR_OK && !shows_nothing(rv) && rv != CKR_BUFFER_TOO_SMALL) {
    // Some modules have other words for an attribute that they do not know.
    if (types.size() > 1 && is_about_attributes(rv)) return read_each(session, object, types);
    session.check(rv, "C_GetAttributeValue", "read an object");
  }
  // PKCS#11 v2.40 §5.7 wants the others filled in where one is not shown. A module that stops there leaves the lengths of
  // the rest, or their values, as they were or as it set them before. So "not shown" is believed of what stands before
  // something that was filled in; and a flag, on which a key may be used or destroyed, of an answer without fault alone.
  const auto filled_in = [&](std::size_t i) {
    const CK_ULONG length = wanted[i].ulValueLen;
    if (length > room[i].size()) return false;
    if (rv == CKR_OK) return true;
    const auto end = room[i].begin() + static_cast<std::ptrdiff_t>(length);
    return length < room[i].size() &&
           std::any_of(room[i].begin(), end, [](unsigned char octet) { return octet != kUntouched; });
  };
  std::size_t went_on_to = 0;  // behind the last that was filled in
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (filled_in(i)) went_on_to = i + 1;
  }
  std::vector<std::optional<Bytes>> values(types.size());
  std::vector<CK_ATTRIBUTE_TYPE> flags;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < types.size(); ++i) {
    const bool unavailable = wanted[i].ulValueLen == CK_UNAVAILABLE_INFORMATION;
    const bool empty = wanted[i].ulValueLen == 0 && i < went_on_to;
    if (empty || (filled_in(i) && (rv == CKR_OK || !is_of_contract(types[i])))) {
      room[i].resize(wanted[i].ulValueLen);
      values[i] = std::move(room[i]);
    } else if (filled_in(i)) {
      flags.push_back(types[i]);
      places.push_back(i);
    } else if (rv == CKR_OK ? !unavailable
                            : !unavailable || !shows_nothing(rv) || i >= went_on_to || every_object_has(types[i])) {
      values[i] = read_attribute(session, object, types[i]);
    }
  }
  if (flags.empty()) return values;
  auto again =
      flags.size() < types.size() ? read_attributes(session, object, flags) : read_each(session, object, flags);
  for (std::size_t i = 0; i < places.size(); ++i) values[places[i]] = std::move(again[i]);
  return values;
}

}  // namespace hsmbridge::pkcs11
