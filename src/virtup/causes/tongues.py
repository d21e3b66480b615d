"""Messages in other languages than English: the C library's texts, and libvirt's commonest.

libvirt translates its messages, and the C library the text of an errno; QEMU translates neither.
`in_english` gives a line the words that the causes' patterns are made of. A translation turns the
sentence round, but keeps the name in its quotes, the numbers in their brackets and the errno at
the end: a line whose errno was foreign is told by these, whatever stands between them.

Sources: the catalogues of messages of glibc 2.x (``strerror``).
"""

from __future__ import annotations

import re
from functools import cache

from virtup.causes.needle import folded, mark

_TEXTS: tuple[tuple[str, str], ...] = (
    (
        "No such file or directory",
        (
            r"datei oder verzeichnis nicht gefunden|no existe el (?:archivo|fichero) o el directorio"
            r"|aucun fichier ou (?:dossier|répertoire) de ce (?:type|nom)"
            r"|ar(?:qui|chi)?vo ou diret[oó]rio (?:n[aã]o encontrado|inexistente)"
            r"|file o directory non esistente|nie ma takiego pliku ani katalogu"
            r"|нет такого файла или каталога|немає такого файл[ау] (?:або|чи) каталогу"
            r"|没有那个文件或目录|沒有此一檔案或目錄|そのようなファイルやディレクトリはありません"
            r"|그런 파일이나 디렉터리가 없(?:습니다|음)|bestand of map bestaat niet"
            r"|filen eller katalogen finns inte|adresář nebo soubor neexistuje"
            r"|böyle bir dosya ya da dizin yok"
        ),
    ),
    (
        "Permission denied",
        (
            r"keine berechtigung|permiso denegado|permission non accord[ée]e|permission refusée"
            r"|permissão (?:negada|recusada)|permissao negada|permesso negato|brak dostępu|отказано в доступе"
            r"|відмовлено у доступі|权限不够|拒絕不符權限的操作|許可がありません|허가 거부(?:됨)?"
            r"|toegang geweigerd|åtkomst nekas|přístup odmítnut|erişim engellendi"
        ),
    ),
    (
        "Operation not permitted",
        (
            r"vorgang nicht zulässig|die operation ist nicht erlaubt|operaci[oó]n no permitida"
            r"|opération non permise|operação não permitida|operazione non (?:permessa|consentita)"
            r"|operacja niedozwolona|операция не позволена|不允许的操作|此項操作並不被允許"
            r"|許可されていない操作です|명령을 허용하지 않음"
        ),
    ),
    (
        "Read-only file system",
        (
            r"das dateisystem ist nur lesbar|sistema de (?:archivos|ficheros) de s[óo]lo lectura"
            r"|système de fichiers accessible en lecture seulement"
            r"|sistema de arquivos somente (?:para )?leitura|file ?system in sola lettura"
            r"|файловая система доступна только для чтения|只读文件系统|唯讀檔案系統"
            r"|読み込み専用ファイルシステムです"
        ),
    ),
    (
        "No such device",
        (
            r"kein passendes gerät(?: gefunden)?|dispositivo inexistente"
            r"|no existe (?:el|tal) dispositivo|aucun périphérique de ce type|dispositivo inesistente"
            r"|nie ma takiego urządzenia|нет такого устройства|没有那个设备|沒有這個裝置"
            r"|そのようなデバイスはありません|그런 장치가 없(?:습니다|음)"
        ),
    ),
    (
        "Device or resource busy",
        (
            r"das gerät oder die ressource ist belegt|dispositivo o recurso ocupado"
            r"|périphérique ou ressource occupé|dispositivo ou recurso (?:está )?ocupado"
            r"|dispositivo o risorsa occupata|urządzenie lub zasoby zajęte"
            r"|устройство или ресурс занято|设备或资源忙|裝置或系統資源忙碌中"
            r"|デバイス(?:もしくは|または)リソースがビジー状態です|장치나 자원이 동작 중"
        ),
    ),
    (
        "Address already in use",
        (
            r"die adresse wird bereits verwendet|la direcci[oó]n ya se está usando"
            r"|adresse déjà utilisée|endereço já (?:está )?em uso|indirizzo già in uso"
            r"|adres jest już w użyciu|адрес уже используется|地址已(?:在使用|经使用|被使用)"
            r"|位址已在使用|アドレスは(?:既|すで)に使用(?:中です|されています)|주소가 이미 사용 중입니다"
        ),
    ),
    (
        "Cannot allocate memory",
        (
            r"nicht genügend hauptspeicher(?: verfügbar)?|no se pu(?:do|ede) asignar memoria"
            r"|(?:ne peut|impossible d')\s?allouer de la mémoire"
            r"|não (?:é|foi) possível alocar memória|impossibile allocare memoria"
            r"|nie można przydzielić pamięci|(?:невозможно|не удаётся) выделить память"
            r"|(?:无法|不能)分配内存|無法配置記憶體|メモリー?を(?:確保|割り当て(?:ることが)?)できません"
            r"|메모리를 할당할 수 (?:없습니다|없음)"
        ),
    ),
    (
        "Connection refused",
        (
            r"verbindungsaufbau abgelehnt|conexión re(?:husada|chazada)|connexion refusée"
            r"|conexão recusada|connessione rifiutata|połączenie odrzucone|в соединении отказано"
            r"|拒绝连接|连接被拒绝|連線被拒絕|接続を拒否されました|연결이 거부(?:됨|되었습니다)"
        ),
    ),
    (
        "No space left on device",
        (
            r"auf dem gerät ist kein speicherplatz(?: mehr verfügbar)?|no queda espacio en el dispositivo"
            r"|(?:aucun|plus d')\s?espace disponible sur le périphérique"
            r"|não há espaço disponível no dispositivo|spazio esaurito sul device"
            r"|на устройстве не осталось свободного места|нет места на устройстве|设备上没有空间"
            r"|デバイスに空き領域がありません"
        ),
    ),
    (
        "Input/output error",
        (
            r"eingabe-/ausgabefehler|error de entrada/salida|erreur d'entrée/sortie"
            r"|erro de entrada/saída|ошибка ввода/вывода|输入/输出错误|入力/出力エラーです"
        ),
    ),
    (
        "Invalid argument",
        (
            r"das argument ist ungültig|argumento inválido|argument invalide|argomento non valido"
            r"|(?:недопустимый|неверный) аргумент|无效的参数|無効な引数です"
        ),
    ),
    (
        "File exists",
        (
            r"die datei existiert bereits|el (?:fichero|archivo) ya existe|le fichier existe"
            r"|arquivo existe|файл существует|文件已存在|ファイルが存在します"
        ),
    ),
    (
        "Too many levels of symbolic links",
        (
            r"zu viele ebenen (?:aus )?symbolischer links?|demasiados niveles de enlaces simbólicos"
            r"|trop de niveaux de liens symboliques|符号连接的层数过多"
        ),
    ),
    ("Not a directory", r"ist kein verzeichnis|no es un directorio|n'est pas un dossier|不是目录"),
    ("Is a directory", r"ist ein verzeichnis|es un directorio|est un dossier|是一个目录"),
)
_OPEN, _CLOSE = "[\"'`“‘„«»‹「『]\\s?", "\\s?[\"'´”’“»«›」』]"
_NAME = rf"{_OPEN}(?P<name>[^\"'“”‘’„«»「」\n]+?){_CLOSE}"
_NOUNS = (
    (
        "network",
        r"netzwerk|réseau|\bred\b|\brede\b|\brete\b|сет[иь]|网络|網路|ネットワーク|네트워크",
    ),
    (
        "storage pool",
        (
            r"speicherpool|pool de stockage|(?:grupo|pool) de almacenamiento|pool de armazenamento"
            r"|pool di archiviazione|пул\w* хранения|存储池|ストレージプール"
        ),
    ),
    ("domain", r"\bdomain\b|domaine|dominio|domínio|домен\w*|虚拟机|域|ドメイン|도메인"),
)
"""What a connection can lack by its name, and what that is called."""


def _absent(noun: str, words: str) -> tuple[str, str]:
    """The message that there is no *noun* of a name: the noun before the name, or after it."""
    plain = "[^\\n:\"'«»„“]"
    first = (
        r"(?:\bkein\w*|\baucun\w*|\bno (?:hay|existe)\w*|\bning[uú]n\w*|\bnenhum\w*|\bnessun\w*|\bнет|没有|沒有)"
        rf"{plain}{{0,20}}?(?:{words}){plain}{{0,30}}{_NAME}"
    )
    last = (
        rf"(?:没有{plain}{{0,12}}|名前[^\n]{{0,4}}?){_NAME.replace('<name>', '<before>')}"
        rf"[^\n]{{0,12}}?(?:{words})"
    )
    return rf"no {noun} with matching name '\g<name>\g<before>'", f"{first}|{last}"


_MESSAGES: tuple[tuple[str, str], ...] = (
    (
        r"network '\g<name>' is not active",
        (
            rf"(?:netzwerk|\bred|réseau|\brede|\brete|сеть|sieć|网络|網路|ネットワーク)\s?{_NAME}[^\n]{{0,8}}?"
            r"(?:nicht aktiv|no está activ\w*|no se encuentra activ\w*|pas acti\w*|não está ativ\w*"
            r"|non è attiv\w*|не активн\w*|nie jest aktywn\w*|未激活|不活跃|未啟用|動作していません"
            r"|(?:アクティブ|有効)ではありません|非アクティブ)"
        ),
    ),
    *(_absent(noun, words) for noun, words in _NOUNS),
    (
        r"Domain requires KVM, but it is not available: \g<0>",
        (
            r"(?:erfordert|requiere|nécessite|requer|richiede|требует\w*|需要|必要)[^\n]{0,12}\bKVM\b[^\n]*"
            r"|\bKVM\b[^\n]{0,6}(?:erforderlich|が必要)[^\n]*"
        ),
    ),
    (
        r"Unable to find any firmware to satisfy 'efi'",
        (
            r"(?:keine|ningún|aucun|nenhum|nessun|не удалось найти|找不到|見つか)[^\n]{0,60}firmware[^\n]*'efi'[^\n]*"
            r"|firmware[^\n]{0,40}(?:nicht gefunden|gefunden werden)[^\n]*'efi'[^\n]*"
        ),
    ),
    (
        r"Host CPU does not provide required features\g<rest>",
        (
            r"(?:host-cpu|cpu del anfitrión|cpu de l'hôte|cpu do host|CPU хоста|主机 ?CPU|ホスト ?CPU)"
            r"[^\n]*(?:nicht|no |ne |não|не |没有|不|提供していません)[^\n:]*(?P<rest>: [^\n]*)"
        ),
    ),
)
_ERRNO = "|".join(re.escape(text) for text, _ in _TEXTS)
_STRUCTURE: tuple[tuple[str, str], ...] = (
    (
        r"Cannot access backing file '\g<name>' of storage file '\g<of>' (as uid:\g<uid>, gid:?): \g<err>",
        (
            rf"{_NAME}[^\n]*?{_NAME.replace('<name>', '<of>')}[^\n]*?uid\s?[:：]\s?(?P<uid>\d+)"
            rf"[^\n]*?(?P<err>{_ERRNO})"
        ),
    ),
    (
        r"Cannot access storage file '\g<name>' (as uid:\g<uid>, gid:?): \g<err>",
        rf"{_NAME}[^\n]*?uid\s?[:：]\s?(?P<uid>\d+)[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"Failed to connect socket to '\g<name>': \g<err>",
        rf"{_NAME.replace('+?', '+-sock(?:-ro)?')}[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"Cannot get interface MTU on '\g<name>': \g<err>",
        rf"\bMTU\b[^\n]*?{_NAME}[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"Unable to create tap device vnet: \g<err>",
        rf"\btap\b[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"Unable to open /dev/net/tun, is tun module loaded?: \g<err>",
        rf"/dev/net/tun[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"Unable to find '\g<name>' binary in $PATH: \g<err>",
        rf"(?=[^\n]*\$PATH)[^\n]*?{_NAME}[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"Cannot open file '\g<name>': \g<err>",
        rf"{_NAME.replace('[^', '/[^', 1)}[^\n/]*[:：]\s*(?P<err>{_ERRNO})",
    ),
)
_FLAGS = re.IGNORECASE


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, _FLAGS)


def in_english(line: str) -> str:
    """Return *line* with what is known of it in English; itself when there is nothing foreign."""
    if not is_foreign(line):
        return line
    said = line
    for text, words in _TEXTS:
        line = _compiled(words).sub(text, line)
    if line != said:
        return _structured(line)
    for text, words in _MESSAGES:
        found = _compiled(words).search(line)
        if found is not None:
            return line[: found.start()] + found.expand(text) + line[found.end() :]
    return line


def is_foreign(text: str) -> bool:
    """May *text* hold a message of a language that is known here?"""
    seen = folded(text)
    return any(True for _, words in (*_TEXTS, *_MESSAGES) for _ in mark(words, _FLAGS).places(seen))


def _structured(line: str) -> str:
    for text, words in _STRUCTURE:
        found = _compiled(words).search(line)
        if found is not None:
            return line[: found.start()] + found.expand(text) + line[found.end() :]
    return line
