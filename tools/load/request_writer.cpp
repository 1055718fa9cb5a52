#include "request_writer.hpp"

#include "tiercache/resp/encoder.hpp"

#include <array>

namespace tiercache::load {
namespace {

constexpr std::size_t kDigits = 12;

// The header of a request and its first argument, the name.
std::string head(std::size_t arguments, std::string_view name) {
  std::string out;
  resp::append_array_header(out, arguments);
  resp::append_bulk(out, name);
  return out;
}

std::string length_line(std::size_t length) {
  return "$" + std::to_string(length) + "\r\n";
}

void append_digits(std::string& out, std::uint64_t number) {
  std::array<char, kDigits> digits;
  for (std::size_t i = kDigits; i-- > 0; number /= 10) {
    digits[i] = static_cast<char>('0' + number % 10);
  }
  out.append(digits.data(), digits.size());
}

}  // namespace

RequestWriter::RequestWriter(const Workload& workload, Part part)
    : workload_(workload),
      keys_(workload.keys, part, workload.seed),
      random_(~workload.seed * 0x100000001b3ULL + part.index),
      key_head_(length_line(workload.key_prefix.size() + kDigits) + workload.key_prefix),
      get_head_(head(2, "GET")),
      set_head_(head(workload.ttl.count() > 0 ? 5 : 3, "SET")),
      mget_head_(head(1 + workload.mget_keys, "MGET")) {
  if (workload.ttl.count() > 0) {
    resp::append_bulk(ttl_tail_, "EX");
    resp::append_bulk(ttl_tail_, std::to_string(workload.ttl.count()));
  }
  const std::size_t largest = workload.values.largest();
  value_.reserve(largest);
  for (std::size_t i = 0; i < largest; ++i) {
    value_ += static_cast<char>('a' + i % 26);
  }
  for (const ValueSizes::Choice& choice : workload.values.choices()) {
    value_heads_.push_back(length_line(choice.size));
  }
}

void RequestWriter::append(std::string& out) {
  switch (workload_.command) {
    case CommandKind::get:
      out += get_head_;
      append_key(out);
      return;
    case CommandKind::set:
      append_set(out);
      return;
    case CommandKind::mix:
      if (random_.fraction() < workload_.get_share) {
        out += get_head_;
        append_key(out);
      } else {
        append_set(out);
      }
      return;
    case CommandKind::mget:
      out += mget_head_;
      for (std::size_t i = 0; i < workload_.mget_keys; ++i) {
        append_key(out);
      }
      return;
  }
}

void RequestWriter::append_key(std::string& out) {
  out += key_head_;
  append_digits(out, keys_.next());
  out += "\r\n";
}

void RequestWriter::append_set(std::string& out) {
  out += set_head_;
  append_key(out);
  const std::size_t index = workload_.values.pick(random_);
  out += value_heads_[index];
  out.append(value_, 0, workload_.values.choices()[index].size);
  out += "\r\n";
  out += ttl_tail_;
}

}  // namespace tiercache::load
