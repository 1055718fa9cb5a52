// A JSON object as fields. Boost.JSON's parser tells of what it meets, so that a number's text need
// not be made anew.
#include "fields.hpp"

#include <cstdint>
#include <utility>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serialize.hpp>

namespace tiercache::l3 {

namespace {

namespace json = boost::json;
using json::error_code;

class Members {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  bool on_document_begin(error_code& /*error*/) {
    return true;
  }
  bool on_document_end(error_code& /*error*/) {
    return true;
  }
  bool on_object_begin(error_code& /*error*/) {
    if (depth_++ > 0) {
      nested_ += '{';
    }
    return true;
  }
  bool on_object_end(std::size_t /*size*/, error_code& /*error*/) {
    return close('}');
  }
  bool on_array_begin(error_code& error) {
    if (depth_ == 0) {
      return refuse(error);
    }
    depth_++;
    nested_ += '[';
    return true;
  }
  bool on_array_end(std::size_t /*size*/, error_code& /*error*/) {
    return close(']');
  }
  bool on_key_part(json::string_view part, std::size_t /*size*/, error_code& /*error*/) {
    return on_part(part);
  }
  bool on_key(json::string_view part, std::size_t /*size*/, error_code& /*error*/) {
    on_part(part);
    std::string key = std::exchange(text_, {});
    if (depth_ == 1) {
      names_.push_back(std::move(key));
    } else {
      nested_.append(json::serialize(json::string_view(key))).append(":");
    }
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t /*size*/, error_code& /*error*/) {
    return on_part(part);
  }
  bool on_string(json::string_view part, std::size_t /*size*/, error_code& error) {
    on_part(part);
    if (depth_ > 1) {
      text_ = json::serialize(json::string_view(text_));
    }
    return on_value(error);
  }
  bool on_number_part(json::string_view part, error_code& /*error*/) {
    return on_part(part);
  }
  bool on_int64(std::int64_t /*number*/, json::string_view part, error_code& error) {
    return on_part(part) && on_value(error);
  }
  bool on_uint64(std::uint64_t /*number*/, json::string_view part, error_code& error) {
    return on_part(part) && on_value(error);
  }
  bool on_double(double /*number*/, json::string_view part, error_code& error) {
    return on_part(part) && on_value(error);
  }
  bool on_bool(bool truth, error_code& error) {
    text_ = truth ? "true" : "false";
    return on_value(error);
  }
  bool on_null(error_code& error) {
    if (depth_ == 1) {
      return true;
    }
    text_ = "null";
    return on_value(error);
  }
  bool on_comment_part(json::string_view /*part*/, error_code& /*error*/) {
    return true;
  }
  bool on_comment(json::string_view /*part*/, error_code& /*error*/) {
    return true;
  }

  bool is_other() const noexcept {
    return other_;
  }
  Loaded take() && {
    const std::vector<std::string_view> names(names_.begin(), names_.end());
    if (std::string why = names.empty() ? "" : wrong_names(names); !why.empty()) {
      return {Loaded::Kind::failed, std::move(why)};
    }
    return std::move(fields_).take();
  }

 private:
  bool on_part(json::string_view part) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool refuse(error_code& error) {
    other_ = true;
    error = json::error::syntax;
    return false;
  }
  // In text_, with its quotes where it is nested.
  bool on_value(error_code& error) {
    if (depth_ == 0) {
      return refuse(error);
    }
    std::string text = std::exchange(text_, {});
    if (depth_ == 1) {
      fields_.add(names_.back(), std::move(text));
    } else {
      nested_.append(text).append(",");
    }
    return true;
  }
  // Behind the last element a comma stands, behind nothing else.
  bool close(char mark) {
    if (--depth_ == 0) {
      return true;
    }
    if (nested_.ends_with(',')) {
      nested_.pop_back();
    }
    nested_ += mark;
    if (depth_ == 1) {
      fields_.add(names_.back(), std::exchange(nested_, {}));
    } else {
      nested_ += ',';
    }
    return true;
  }

  std::size_t depth_ = 0;
  std::vector<std::string> names_;  // of the object's members
  std::string text_;                // of the key or the value that is read
  std::string nested_;
  Fields fields_;
  bool other_ = false;
};

}  // namespace

Loaded fields_of_json(std::string_view text) {
  json::basic_parser<Members> parser(json::parse_options{});
  error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && read < text.size()) {
    error = json::error::extra_data;
  }
  if (error) {
    return {Loaded::Kind::failed, parser.handler().is_other()
                                      ? std::string("the answer is JSON, but no object")
                                      : "the answer is no JSON: " + error.message()};
  }
  return std::move(parser.handler()).take();
}

}  // namespace tiercache::l3
